#pragma once

#include <grpcpp/completion_queue.h>
#include <grpcpp/server_builder.h>

#include <memory>
#include <thread>
#include <vector>

#include "rpc/operation.h"

namespace tensorferry::rpc {

// A completion queue and the threads on which its operations complete. A call runs to its end on them: waking another
// thread costs more than most calls do.
class ServingQueue {
 public:
  explicit ServingQueue(grpc::ServerBuilder& builder) : queue_(builder.AddCompletionQueue()) {}

  // After the server was started.
  void Start(int threads) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Serve(); });
  }

  // After the server was shut down, when no coroutine can start another operation.
  void Stop() {
    queue_->Shutdown();
    if (threads_.empty()) Serve();  // The queue must be drained.
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  grpc::ServerCompletionQueue* get() const { return queue_.get(); }

 private:
  void Serve() {
    bool ok = false;
    for (void* tag = nullptr; queue_->Next(&tag, &ok);) static_cast<Tag*>(tag)->Complete(ok);
  }

  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::vector<std::thread> threads_;
};

}  // namespace tensorferry::rpc
