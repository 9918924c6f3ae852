#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/impl/rpc_method.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/sync_stream.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "inference/grpc_service.grpc.pb.h"
#include "lib/request.h"
#include "lib/side_connection.h"
#include "lib/writable_pages.h"
#include "tensorferry/client/client.h"
#include "tensorferry/v1/tensor_service.grpc.pb.h"

namespace tensorferry::client {

// Connection is the channel that a client and its streams share.
// Threads: any.
class Connection {
 public:
  Connection(const std::string& address, const ConnectOptions& options);

  v1::TensorService::Stub& service() { return *service_; }
  grpc::health::v1::Health::Stub& health() { return *health_; }
  ::inference::GRPCInferenceService::Stub& inference() { return *inference_; }

  // Convert and ConvertStream are those of the stub, but take requests that are serialised already, so that elements
  // are sent from where they are.
  using StreamCall = grpc::ClientReaderWriter<grpc::ByteBuffer, v1::ConvertStreamResponse>;
  grpc::Status Convert(grpc::ClientContext& context, const grpc::ByteBuffer& request, v1::ConvertResponse& response);
  std::unique_ptr<StreamCall> ConvertStream(grpc::ClientContext& context);

  // Seals returns whether the arrays are to travel in sealed memory, as far as the server takes it.
  bool Seals(std::span<const Array> arrays) const;

  // Prepare makes a message of at most limits(), and puts the elements into sealed memory if Seals() says so. Where that
  // cannot be, they are left to messages, unless the transport is kSealed.
  // Errors: those of PrepareRequest and PrepareSealedRequest.
  absl::StatusOr<PreparedRequest> Prepare(std::span<const Array> arrays, const ConvertOptions& options,
                                          Framing framing);

  // PrepareAgain makes a message of a stream of PreparedRequest::again, whose regions the server has lost `times` times.
  // After the first time they are handed over once more. Where that cannot be, and after the second time, their elements
  // travel in messages; with kSealed the request then fails.
  // Errors: those of Prepare; `lost`, which says that the server has lost them, if there is nothing more to try.
  absl::StatusOr<PreparedRequest> PrepareAgain(std::span<const Array> again, const ConvertOptions& options, int times,
                                               const absl::Status& lost);

  // MakePages returns zeros, in memory that can be sealed if that may be of use.
  // Errors: those of WritablePages::Make.
  absl::StatusOr<std::shared_ptr<WritablePages>> MakePages(std::size_t nbytes) const;

  // limits returns those of the server, or of most servers while this one has not been asked.
  MessageLimits limits();

  // AskLimits returns the server's limits, and asks it only once until they are forgotten.
  absl::StatusOr<MessageLimits> AskLimits(std::chrono::milliseconds timeout);

  // ForgetLimitsAfter is told how each call ended: where the server is gone, or takes no such messages, another one with
  // other limits may have come in its place.
  void ForgetLimitsAfter(const absl::Status& end);

 private:
  // SealingNow is what travels in sealed memory, with the present limits. Call it where something may.
  Sealing SealingNow();

  const std::shared_ptr<grpc::Channel> channel_;
  const grpc::internal::RpcMethod convert_;
  const grpc::internal::RpcMethod convert_stream_;
  const std::unique_ptr<v1::TensorService::Stub> service_;
  const std::unique_ptr<grpc::health::v1::Health::Stub> health_;
  const std::unique_ptr<::inference::GRPCInferenceService::Stub> inference_;
  const Transport transport_;
  const std::unique_ptr<SideConnection> side_;  // Null: nothing travels in sealed memory.
  const std::optional<Sealing> sealing_;        // What travels in sealed memory, if anything does.
  std::mutex asking_;                           // Held while the server is asked. It is locked before mutex_.
  std::mutex mutex_;                            // Guards what follows.
  std::optional<MessageLimits> limits_;
};

// IsOutgrown returns whether a message may have been larger than the server takes. gRPC says so, without a reason.
bool IsOutgrown(const absl::Status& status);

// IsRegionLost returns whether the server does not know any more what was handed over.
bool IsRegionLost(const absl::Status& status);

// QueryTimeout returns the time for a question within a call that may take `timeout`; 0 stands for no timeout.
std::chrono::milliseconds QueryTimeout(std::chrono::milliseconds timeout);

// SetTimeout makes the call end after `timeout`; 0 stands for no timeout.
void SetTimeout(grpc::ClientContext& context, std::chrono::milliseconds timeout);

}  // namespace tensorferry::client
