#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/thread_annotations.h"

namespace tensorferry::inference {

// ChildProcess is a program that this process has started. It ends by SIGKILL, at the latest when the object is
// destroyed, and leaves no zombie.
// Threads: Kill on any thread; the other methods one at a time.
class ChildProcess {
 public:
  struct Program {
    std::vector<std::string> command;  // The file, then the arguments from argv[0] on.
    std::vector<int> descriptors;      // The program gets them as the descriptors 3, 4, 5 and so on.
    std::filesystem::path temporary;   // The folder that TMPDIR names there.
  };

  // Starts a program. Its standard output is this process's standard error, so that a model's `print` is no part of
  // what the server says; its standard input is empty. It gets no other descriptors.
  // Errors: MODEL_NOT_READY if the system does not start it.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(const Program& program);

  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess();

  pid_t pid() const { return pid_; }

  // Waits until the process has ended. Returns how: "signal 9 (Killed)" or "exit code 1".
  std::string AwaitEnd();

  // Ends the process, if it has not ended.
  void Kill();

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}

  const pid_t pid_;
  Mutex mutex_;  // Held when the process is sent a signal or reaped: after that its number is another's.
  std::optional<std::string> end_ TENSORFERRY_GUARDED_BY(mutex_);  // Nothing: it was not reaped.
};

// Makes the kernel end this process when the thread that started it ends, and keeps the signals away that a terminal or
// a service manager sends to all processes of the server: the server says when its workers end. A worker calls it
// first.
void FollowParent();

}  // namespace tensorferry::inference
