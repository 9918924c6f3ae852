#pragma once

#include <grpcpp/completion_queue.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "rpc/serve/operation.h"

namespace tensorferry::rpc {

// ServingQueue is a completion queue with the threads on which its operations complete. A call runs to its end on these
// threads: waking another thread costs more than most calls do.
class ServingQueue {
 public:
  explicit ServingQueue(grpc::ServerBuilder& builder) : queue_(builder.AddCompletionQueue()) {}

  // Makes the threads, which serve once Start was called. Errors: throws NoThread.
  void MakeThreads(int threads);

  // Starts to serve. Call it after the server was started. Makes the threads if that was not done before.
  void Start(int threads);

  // Ends the threads. Call it after the server was shut down, when no coroutine can start another operation.
  void Stop();

  // Starts one more thread, a relief thread, if every thread is stuck, or if one is while something waits for idleness. A
  // thread is stuck that handles the event that it handled at the last call, or has been busy inside gRPC's wait for
  // events. The relief thread serves until that is over. One thread calls RelieveIfStalled every kWatchInterval, between
  // MakeThreads and Stop.
  void RelieveIfStalled();
  static constexpr std::chrono::milliseconds kWatchInterval{50};

  grpc::ServerCompletionQueue* get() const { return queue_.get(); }

  // `co_await queue.CompleteOrIdle(operation)` resumes with true when the operation completes. It resumes with false,
  // the operation still pending, when the queue is idle or has handled 64 events meanwhile; at once with false on a
  // thread that is not this queue's.
  class CompletionOrIdle {
   public:
    CompletionOrIdle(ServingQueue& queue, Operation& operation) : queue_(queue), operation_(operation) {}
    bool await_ready() const { return operation_.complete() || current_ != &queue_; }
    bool await_suspend(std::coroutine_handle<> coroutine);
    bool await_resume();

   private:
    friend class ServingQueue;
    ServingQueue& queue_;
    Operation& operation_;
    std::coroutine_handle<> coroutine_;
    bool waiting_ = false;
  };
  CompletionOrIdle CompleteOrIdle(Operation& operation) { return {*this, operation}; }

  // Returns the queue that the calling thread serves; null on all other threads, which calls may have moved to.
  static ServingQueue* Current() { return current_; }

  // Calls `work` when the queue is idle or has handled 64 events, and again as long as `work` returns true. Call it on
  // a thread of this queue.
  void WhenIdle(std::function<bool()> work);

 private:
  struct Worker {
    std::atomic<std::uint64_t> step = 0;  // Odd while the thread handles an event. Only that thread writes it.
    std::atomic<bool> ended = false;      // Whether a relief thread has ended and can be joined.
    std::thread thread;
    // What the last call of RelieveIfStalled has seen: `step`, the processor time that the thread had used by then, and
    // how much of it the thread had used inside the wait in which it still was, without a rest.
    std::uint64_t seen = 0;
    std::chrono::nanoseconds seen_used{0};
    std::chrono::nanoseconds busy_waiting{0};

    void Step();
    bool IsStuck();
    bool IsBusyWaiting(bool same_wait);
  };

  // What waits for idleness is put down by a thread of this queue while it handles an event, and that thread neither
  // sleeps nor ends before nothing waits. So nothing waits for ever, though other threads sleep and do not know of it.
  void Serve(Worker& worker);
  void Relieve(Worker& worker);
  void LetServe();
  template <typename Time>
  bool ServeOne(Worker& worker, const Time& idle_at, int& events);
  bool WaitsForIdle();
  void TellIdle();
  void WorkWhileIdle();

  static thread_local ServingQueue* current_;  // The queue that the calling thread serves, or null.

  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::mutex mutex_;
  std::vector<CompletionOrIdle*> waiting_;  // Guarded by mutex_, like idle_work_.
  std::vector<std::function<bool()>> idle_work_;
  std::atomic<bool> serving_ = false;  // Whether Start was called, or Stop.
  std::list<Worker> workers_;
  std::list<Worker> relief_workers_;
  std::atomic<bool> stalled_ = false;
};

}  // namespace tensorferry::rpc
