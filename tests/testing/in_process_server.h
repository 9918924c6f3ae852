#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>

#include "rpc/serve/call_slots.h"
#include "rpc/serve/serving_queue.h"

namespace tensorferry {

// InProcessServer is a gRPC server without a port: its calls come through channel().
class InProcessServer {
 public:
  // Borrows the services, and `live`, with which they were made.
  template <typename... Services>
  explicit InProcessServer(rpc::LiveCoroutines& live, Services&... services) : live_(live), queue_(builder_) {
    (builder_.RegisterService(&services.service()), ...);
    server_ = builder_.BuildAndStart();
    (services.Serve(queue_), ...);
    queue_.Start(1);
  }
  ~InProcessServer() {
    server_->Shutdown(std::chrono::system_clock::now());
    live_.WaitForNone();
    queue_.Stop();
  }

  std::shared_ptr<grpc::Channel> channel() { return server_->InProcessChannel({}); }

 private:
  rpc::LiveCoroutines& live_;
  grpc::ServerBuilder builder_;
  rpc::ServingQueue queue_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace tensorferry
