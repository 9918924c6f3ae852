#pragma once

#include <grpcpp/completion_queue.h>
#include <grpcpp/server_builder.h>

#include <atomic>
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

// A completion queue and the threads on which its operations complete. A call runs to its end on them: waking another
// thread costs more than most calls do.
class ServingQueue {
 public:
  explicit ServingQueue(grpc::ServerBuilder& builder) : queue_(builder.AddCompletionQueue()) {}

  // After the server was started.
  void Start(int threads);

  // After the server was shut down, when no coroutine can start another operation.
  void Stop();

  // Called again and again by one thread, between Start and Stop: where all threads are still busy with what they were
  // busy with at the last call, another one serves until one of them is back.
  void RelieveIfStalled();

  grpc::ServerCompletionQueue* get() const { return queue_.get(); }

  // `co_await queue.CompleteOrIdle(operation)`: true once the operation is complete, false if first the queue has
  // nothing else to do, or has done much else; then the operation goes on. On threads of others than the queue false at
  // once.
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

  // Call `work` once the queue has nothing else to do, or has done much else; and so again while it returns true. On
  // threads of others than the queue at once.
  void WhenIdle(std::function<bool()> work);

 private:
  struct Worker {
    std::atomic<std::uint64_t> step = 0;  // Odd while it does something.
    std::uint64_t seen = 0;               // By RelieveIfStalled.
    std::atomic<bool> ended = false;
    std::thread thread;

    void Step();
    bool IsStuck();
  };

  void Serve(Worker& worker);
  void StandIn(Worker& worker);
  template <typename Time>
  bool ServeOne(Worker& worker, const Time& idle_at, int& events);
  bool WaitsForIdle();
  void TellIdle();
  void WorkWhileIdle();

  static thread_local const ServingQueue* current_;  // Whose thread this is.

  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::mutex mutex_;
  std::vector<CompletionOrIdle*> waiting_;        // For idleness.
  std::vector<std::function<bool()>> idle_work_;  // The same.
  std::list<Worker> workers_;
  std::list<Worker> stand_ins_;
  std::atomic<bool> stalled_ = false;
};

}  // namespace tensorferry::rpc
