#include "inference/isolation/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>
#include <system_error>

#include "base/status.h"

namespace tensorferry::inference {
namespace {

constexpr int kFirstDescriptor = 3;

// Copies of descriptors, all above those that the program is to have: posix_spawn puts one after the other in its
// place, and must not overwrite one that is still to come.
class HighDescriptors {
 public:
  explicit HighDescriptors(const std::vector<int>& descriptors) {
    const int above = kFirstDescriptor + static_cast<int>(descriptors.size());
    for (const int each : descriptors) copies_.push_back(fcntl(each, F_DUPFD_CLOEXEC, above));
  }
  HighDescriptors(const HighDescriptors&) = delete;
  HighDescriptors& operator=(const HighDescriptors&) = delete;
  ~HighDescriptors() {
    for (const int copy : copies_) {
      if (copy >= 0) close(copy);
    }
  }

  const std::vector<int>& copies() const { return copies_; }
  bool complete() const {
    return std::ranges::all_of(copies_, [](int copy) { return copy >= 0; });
  }

 private:
  std::vector<int> copies_;
};

// What posix_spawn does in the new process before the program begins.
class SpawnActions {
 public:
  explicit SpawnActions(const std::vector<int>& descriptors) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions_, STDERR_FILENO, STDOUT_FILENO);
    int place = kFirstDescriptor;
    for (const int each : descriptors) posix_spawn_file_actions_adddup2(&actions_, each, place++);
    posix_spawn_file_actions_addclosefrom_np(&actions_, place);
  }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  ~SpawnActions() { posix_spawn_file_actions_destroy(&actions_); }

  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

std::vector<std::string> EnvironmentWith(const std::filesystem::path& temporary) {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!std::string_view(*variable).starts_with("TMPDIR=")) variables.emplace_back(*variable);
  }
  if (!temporary.empty()) variables.push_back("TMPDIR=" + temporary.string());
  return variables;
}

std::vector<char*> Pointers(std::vector<std::string>& texts, std::size_t from) {
  std::vector<char*> pointers;
  for (std::size_t i = from; i < texts.size(); ++i) pointers.push_back(texts[i].data());
  pointers.push_back(nullptr);
  return pointers;
}

absl::Status CannotStart(int error) {
  return MakeError(Reason::kModelNotReady, fmt::format("the system does not start a worker process: {}",
                                                       std::generic_category().message(error)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(const Program& program) {
  const HighDescriptors descriptors(program.descriptors);
  if (!descriptors.complete()) return CannotStart(errno);
  const SpawnActions actions(descriptors.copies());
  std::vector<std::string> command = program.command;
  std::vector<std::string> environment = EnvironmentWith(program.temporary);
  pid_t pid = 0;
  // posix_spawn, and never fork: other threads of this process may hold any lock.
  const int error = posix_spawn(&pid, command.front().c_str(), actions.get(), nullptr, Pointers(command, 1).data(),
                                Pointers(environment, 0).data());
  if (error != 0) return CannotStart(error);
  return std::unique_ptr<ChildProcess>(new ChildProcess(pid));
}

ChildProcess::~ChildProcess() {
  Kill();
  AwaitEnd();
}

std::string ChildProcess::AwaitEnd() {
  siginfo_t info{};
  // WNOWAIT leaves a zombie, so that the process keeps its number until Kill cannot use it any more.
  while (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
  }
  const MutexLock lock(mutex_);
  if (end_) return *end_;
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  end_ = WIFSIGNALED(status) ? fmt::format("signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)))
                             : fmt::format("exit code {}", WEXITSTATUS(status));
  return *end_;
}

void ChildProcess::Kill() {
  const MutexLock lock(mutex_);
  if (!end_) kill(pid_, SIGKILL);
}

void FollowParent() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NAME, "tensorferry-mod");
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) std::signal(signal, SIG_IGN);
}

}  // namespace tensorferry::inference
