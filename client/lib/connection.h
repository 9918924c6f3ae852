#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tensorferry/client/client.h"
#include "tensorferry/v1/tensor_service.grpc.pb.h"

namespace tensorferry::client {

// The channel that a client and its streams share. Threads: any.
class Connection {
 public:
  Connection(const std::string& address, const ConnectOptions& options);

  v1::TensorService::Stub& service() { return *service_; }
  grpc::health::v1::Health::Stub& health() { return *health_; }

  // Bytes per chunk that the server recommends; asked once.
  absl::StatusOr<std::size_t> ChunkBytes(std::chrono::milliseconds timeout);

 private:
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::TensorService::Stub> service_;
  const std::unique_ptr<grpc::health::v1::Health::Stub> health_;
  std::mutex mutex_;
  std::optional<std::size_t> chunk_bytes_;
};

// Whether `address` is `host:port` or `unix:PATH`.
bool IsAddress(std::string_view address);

// Ends the call after `timeout`; 0 = never.
void SetTimeout(grpc::ClientContext& context, std::chrono::milliseconds timeout);

}  // namespace tensorferry::client
