#include "inference/isolation/worker.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "base/failure_text.h"
#include "base/start_thread.h"
#include "base/status.h"

namespace tensorferry::inference {
namespace {

namespace fs = std::filesystem;
using SteadyClock = std::chrono::steady_clock;

// The inputs of one run are lent at a time, so few blocks are ever idle in the arena of the server.
constexpr std::uint64_t kMaxIdleBytes = 64 << 20;

std::chrono::milliseconds Until(SteadyClock::time_point time) {
  return std::max(std::chrono::ceil<std::chrono::milliseconds>(time - SteadyClock::now()),
                  std::chrono::milliseconds(1));
}

// Makes a folder for the temporary files of a process, which cannot remove them when it crashes. Returns an empty path
// if there can be none; the files then lie where all others do.
fs::path MakeTemporaryFolder() {
  std::error_code error;
  std::string name = (fs::temp_directory_path(error) / "tensorferry-worker-XXXXXX").string();
  return error || mkdtemp(name.data()) == nullptr ? fs::path() : fs::path(name);
}

void RemoveFolder(const fs::path& folder) {
  std::error_code ignored;
  if (!folder.empty()) fs::remove_all(folder, ignored);
}

}  // namespace

Worker::Worker(Options options)
    : options_(std::move(options)), supervisor_(StartThread("a worker process", [this] { Supervise(); })) {}

Worker::~Worker() {
  {
    const MutexLock lock(mutex_);
    ending_ = true;
    if (process_) process_->child->Kill();
    changed_.NotifyAll();
  }
  supervisor_.join();
}

void Worker::Supervise() {
  BackOff back_off;
  for (std::chrono::milliseconds delay{0}; Pause(delay);) {
    const absl::Status started = StartProcess();
    if (started.ok()) {
      const SteadyClock::time_point since = SteadyClock::now();
      const std::string how = AwaitEndOfProcess();
      delay = back_off.AfterCrash(SteadyClock::now() - since);
      Ended(how, delay);
      continue;
    }
    delay = back_off.AfterFailure();
    Failed(started, delay);
    const MutexLock lock(mutex_);
    if (!first_reply_) return;
  }
}

// Waits for `delay`. Returns false if the worker is ending.
bool Worker::Pause(std::chrono::milliseconds delay) {
  const SteadyClock::time_point until = SteadyClock::now() + delay;
  const MutexLock lock(mutex_);
  while (!ending_ && SteadyClock::now() < until) changed_.WaitUntil(mutex_, until);
  return !ending_;
}

absl::StatusOr<Worker::Process> Worker::Launch() const {
  TENSORFERRY_ASSIGN_OR_RETURN(std::shared_ptr<SharedArena> to, SharedArena::Create(kMaxIdleBytes));
  TENSORFERRY_ASSIGN_OR_RETURN(std::shared_ptr<SharedArena> from, SharedArena::Create(kMaxIdleBytes));
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return MakeError(Reason::kModelNotReady, fmt::format("the system has no socket for a worker process: {}",
                                                         std::generic_category().message(errno)));
  }
  Process process{.child = nullptr,
                  .session = std::make_shared<WorkerSession>(ends[0], to, from),
                  .temporary = MakeTemporaryFolder()};
  auto child = ChildProcess::Start({.command = options_.command,
                                    .descriptors = {ends[1], to->descriptor(), from->descriptor(), options_.file},
                                    .temporary = process.temporary});
  close(ends[1]);
  if (!child.ok()) {
    RemoveFolder(process.temporary);
    return child.status();
  }
  process.child = *std::move(child);
  return process;
}

absl::Status Worker::StartProcess() {
  TENSORFERRY_ASSIGN_OR_RETURN(Process launched, Launch());
  const std::shared_ptr<WorkerSession> session = launched.session;
  {
    const MutexLock lock(mutex_);
    process_ = std::move(launched);
    if (ending_) process_->child->Kill();
  }
  absl::Status status = SetUpProcess(session);
  if (!status.ok()) {
    {
      const MutexLock lock(mutex_);
      process_->child->Kill();
    }
    const std::string how = AwaitEndOfProcess();
    const MutexLock lock(mutex_);
    RemoveFolder(process_->temporary);
    process_.reset();
    if (absl::IsAborted(status)) {
      status = MakeError(Reason::kModelNotReady,
                         fmt::format("its worker process ended by {} while it loaded the model", how));
    }
  }
  return status;
}

absl::Status Worker::SetUpProcess(const std::shared_ptr<WorkerSession>& session) {
  TENSORFERRY_ASSIGN_OR_RETURN(std::string reply, options_.set_up(*session));
  bool was_unavailable = false;
  {
    const MutexLock lock(mutex_);
    if (first_reply_ && *first_reply_ != reply) {
      return MakeError(Reason::kModelNotReady, "its file has changed since it was loaded: load it again");
    }
    first_reply_ = std::move(reply);
    was_unavailable = !failure_.ok();
    failure_ = absl::OkStatus();
    is_unavailable_ = false;
    ready_ = session;
    is_ready_ = true;
    changed_.NotifyAll();
  }
  if (was_unavailable) {
    spdlog::info("{}: its worker process is started again, and serves", options_.model);
    options_.on_change();
  }
  return absl::OkStatus();
}

std::string Worker::AwaitEndOfProcess() {
  ChildProcess* child = nullptr;
  {
    const MutexLock lock(mutex_);
    child = process_->child.get();  // Only this thread replaces it.
  }
  return child->AwaitEnd();
}

// Says that a process that was ready has ended.
void Worker::Ended(const std::string& how, std::chrono::milliseconds delay) {
  const MutexLock lock(mutex_);
  ready_->channel.Shutdown();  // The model may have left processes of its own, which keep the other end open.
  last_ended_ = ready_;
  last_end_ = how;
  ready_.reset();
  is_ready_ = false;
  RemoveFolder(process_->temporary);
  process_.reset();
  changed_.NotifyAll();
  if (ending_) return;
  spdlog::error("{}: its worker process ended by {}, {} times since it was loaded; it is started again in {} ms",
                options_.model, how, ++ended_, delay.count());
}

void Worker::Failed(const absl::Status& why, std::chrono::milliseconds delay) {
  bool is_first = false;
  {
    const MutexLock lock(mutex_);
    is_first = !first_reply_;
    failure_ = why;
    is_unavailable_ = true;
    next_start_ = SteadyClock::now() + delay;
    changed_.NotifyAll();
    if (ending_) return;
  }
  if (is_first) return;  // AwaitFirstStart returns the error.
  spdlog::error("{}: its worker process cannot be started, and is tried again in {} ms: {}", options_.model,
                delay.count(), TextForLog(DescribeError(why)));
  options_.on_change();
}

absl::StatusOr<std::string> Worker::AwaitFirstStart() {
  const MutexLock lock(mutex_);
  while (!first_reply_ && failure_.ok()) changed_.Wait(mutex_);
  if (!first_reply_) return failure_;
  return *first_reply_;
}

absl::StatusOr<std::shared_ptr<WorkerSession>> Worker::AwaitSession() {
  const MutexLock lock(mutex_);
  while (ready_ == nullptr && failure_.ok()) changed_.Wait(mutex_);
  if (ready_ != nullptr) return ready_;
  return MakeError(Reason::kModelNotReady,
                   fmt::format("its worker process cannot be started: {}", DescribeError(failure_).message),
                   {.retry_after = Until(next_start_)});
}

absl::Status Worker::DescribeEnd(const std::shared_ptr<WorkerSession>& session) {
  const MutexLock lock(mutex_);
  if (ready_ == session) process_->child->Kill();
  while (ready_ == session) changed_.Wait(mutex_);
  const std::string how = last_ended_.lock() == session ? fmt::format(" by {}", last_end_) : "";
  return MakeError(Reason::kModelFailed, fmt::format("its worker process ended{} while it ran the request", how));
}

std::optional<std::string> Worker::unavailable() const {
  if (!is_unavailable_) return std::nullopt;
  const MutexLock lock(mutex_);
  if (failure_.ok()) return std::nullopt;
  return "its worker process cannot be started: " + DescribeError(failure_).message;
}

}  // namespace tensorferry::inference
