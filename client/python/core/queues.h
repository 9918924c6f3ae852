#pragma once

#include <grpcpp/completion_queue.h>

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace tensorferry::core {

// Queues keeps completion queues between calls. A call has one of its own while it runs, and its thread does gRPC's work
// there: no other thread has to be woken for an answer.
// Threads: any.
class Queues {
 public:
  using Queue = std::unique_ptr<grpc::CompletionQueue>;

  Queues() = default;
  Queues(const Queues&) = delete;
  Queues& operator=(const Queues&) = delete;

  ~Queues() {
    for (const Queue& queue : idle_) {
      queue->Shutdown();
      void* tag = nullptr;
      for (bool ok = false; queue->Next(&tag, &ok);) {
      }
    }
  }

  Queue Take() {
    const std::scoped_lock lock(mutex_);
    if (idle_.empty()) return std::make_unique<grpc::CompletionQueue>();
    Queue queue = std::move(idle_.back());
    idle_.pop_back();
    return queue;
  }

  // GiveBack takes a queue that has brought all its events.
  void GiveBack(Queue queue) {
    const std::scoped_lock lock(mutex_);
    idle_.push_back(std::move(queue));
  }

 private:
  std::mutex mutex_;
  std::vector<Queue> idle_;
};

}  // namespace tensorferry::core
