#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "base/thread_annotations.h"
#include "inference/isolation/back_off.h"
#include "inference/isolation/channel.h"
#include "inference/isolation/child_process.h"
#include "inference/isolation/shared_arena.h"

namespace tensorferry::inference {

// WorkerSession is what the server shares with one worker process while that lives. Tensors keep their arena mapped
// longer, if they have to.
struct WorkerSession {
  WorkerSession(int socket, std::shared_ptr<SharedArena> to, std::shared_ptr<SharedArena> from)
      : channel(socket), to_worker(std::move(to)), from_worker(std::move(from)) {}

  Channel channel;
  const std::shared_ptr<SharedArena> to_worker;    // The server lends from it.
  const std::shared_ptr<SharedArena> from_worker;  // The worker lends from it.
};

// Worker keeps a process that serves one model: it starts the process, and starts it again when it has ended, with a
// delay that grows.
//
// Threads:  any. One thread of its own starts the process and waits for its end; the kernel ends the process with that
//           thread.
// Lifetime: the destructor ends the process, and waits for it.
class Worker {
 public:
  // Sets up a process that was just started. What it returns is the reply of the first process, and must not change.
  // Errors: those of the model; they make the start fail.
  using SetUp = std::function<absl::StatusOr<std::string>(WorkerSession&)>;

  struct Options {
    std::string model;                 // The name and version, for the log.
    std::vector<std::string> command;  // See ChildProcess::Program.
    int file = -1;                     // The descriptor of the model's file; open as long as the Worker lives.
    SetUp set_up;
    std::function<void()> on_change;  // Called when `unavailable` has changed, without locks.
  };

  explicit Worker(Options options);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();

  // Waits for the first start. Returns the reply of `set_up`.
  // Errors: those of `set_up`; MODEL_NOT_READY if there is no process. The process is not started again then.
  absl::StatusOr<std::string> AwaitFirstStart();

  // Returns the session of the present process. While one is being started after a crash, it waits for that.
  // Errors: MODEL_NOT_READY, with the reason and a retry delay, if the last start failed.
  absl::StatusOr<std::shared_ptr<WorkerSession>> AwaitSession();

  // Ends the process of `session`, on whose channel something went wrong, and waits for its end. Returns MODEL_FAILED,
  // with how the process ended.
  absl::Status DescribeEnd(const std::shared_ptr<WorkerSession>& session);

  // Returns why the model cannot be served: the last start failed. Nothing: it can.
  std::optional<std::string> unavailable() const;

  // Returns whether there is a process that serves.
  bool is_ready() const { return is_ready_; }

  // The number of processes that have ended since the first was ready.
  int ended() const { return ended_.load(); }

 private:
  struct Process {
    std::unique_ptr<ChildProcess> child;
    std::shared_ptr<WorkerSession> session;
    std::filesystem::path temporary;  // The folder of its temporary files.
  };

  void Supervise();
  absl::Status StartProcess();
  absl::StatusOr<Process> Launch() const;
  absl::Status SetUpProcess(const std::shared_ptr<WorkerSession>& session);
  std::string AwaitEndOfProcess();
  void Ended(const std::string& how, std::chrono::milliseconds delay);
  void Failed(const absl::Status& why, std::chrono::milliseconds delay);
  bool Pause(std::chrono::milliseconds delay);

  const Options options_;
  std::atomic<int> ended_{0};
  std::atomic<bool> is_ready_{false};        // Whether `ready_` is not null; read without the mutex.
  std::atomic<bool> is_unavailable_{false};  // Whether `failure_` is an error; read without the mutex.

  mutable Mutex mutex_;
  mutable ConditionVariable changed_;
  bool ending_ TENSORFERRY_GUARDED_BY(mutex_) = false;
  // The present process, which is ready if `ready_` is its session.
  std::optional<Process> process_ TENSORFERRY_GUARDED_BY(mutex_);
  std::shared_ptr<WorkerSession> ready_ TENSORFERRY_GUARDED_BY(mutex_);  // Null: no process is ready.
  std::optional<std::string> first_reply_ TENSORFERRY_GUARDED_BY(mutex_);
  absl::Status failure_ TENSORFERRY_GUARDED_BY(mutex_);  // Of the last start; OK if that succeeded.
  std::chrono::steady_clock::time_point next_start_ TENSORFERRY_GUARDED_BY(mutex_);
  std::weak_ptr<WorkerSession> last_ended_ TENSORFERRY_GUARDED_BY(mutex_);
  std::string last_end_ TENSORFERRY_GUARDED_BY(mutex_);  // How the process of `last_ended_` ended.

  std::thread supervisor_;  // The last member: it uses the others.
};

}  // namespace tensorferry::inference
