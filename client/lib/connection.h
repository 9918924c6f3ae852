#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/impl/rpc_method.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/sync_stream.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "inference/grpc_service.grpc.pb.h"
#include "lib/output_pool.h"
#include "lib/request.h"
#include "lib/side_connection.h"
#include "lib/writable_pages.h"
#include "tensorferry/client/client.h"
#include "tensorferry/v1/tensor_service.grpc.pb.h"

namespace tensorferry::client {

// MessageLimits says how elements are spread over the messages that a server takes, in bytes.
struct MessageLimits {
  std::uint64_t most_inside = kMaxInlineBytes;  // Requests with more go in chunks.
  std::size_t chunk = 0;
};

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

  // OutputsOf returns what the size of what comes back is remembered by. Nothing: no elements come back, or they come in
  // messages whatever their size.
  std::optional<OutputKey> OutputsOf(std::span<const Array> arrays, const ConvertOptions& options) const;

  // Lend returns memory for what comes back from a request for which OutputsOf has returned a key, if the server is to
  // write it there. `arrays_stay` is that of its Road.
  std::shared_ptr<OutputLease> Lend(std::span<const Array> arrays, const ConvertOptions& options, const OutputKey& key,
                                    const Road& road);

  // Learn takes in what came back from a request of that key.
  void Learn(const OutputKey& key, const Response& response);

  // Prepare makes a message, and puts the elements into sealed memory if `seals`. Where that cannot be, they are left to
  // messages, as what comes back is then, unless the transport is kSealed.
  // Errors: those of PrepareRequest and PrepareSealedRequest.
  absl::StatusOr<PreparedRequest> Prepare(std::span<const Array> arrays, const ConvertOptions& options,
                                          const Road& road, bool seals);

  // PrepareAgain makes a message of a stream of PreparedRequest::again, whose regions the server has lost `times` times.
  // After the first time they are handed over once more. Where that cannot be, and after the second time, their elements
  // travel in messages; with kSealed the request then fails. What comes back comes in messages.
  // Errors: those of Prepare; `lost`, which says that the server has lost them, if there is nothing more to try.
  absl::StatusOr<PreparedRequest> PrepareAgain(std::span<const Array> again, const ConvertOptions& options,
                                               const Road& road, int times, const absl::Status& lost);

  // MakePages returns zeros, in memory that can be sealed if that may be of use.
  // Errors: those of WritablePages::Make.
  absl::StatusOr<std::shared_ptr<WritablePages>> MakePages(std::size_t nbytes) const;

  // Begin makes the call end after `timeout`, and wait for a server that cannot be reached if that is wished. 0 stands for
  // no timeout.
  void Begin(grpc::ClientContext& context, std::chrono::milliseconds timeout) const;

  // Limits returns what the server says of its messages. It is asked once, or by each of the threads that want to know at
  // the same time, and again after NoteEnd has told of a connection that broke, as another server may be at the address
  // since, or of a message that was too large. It waits for the time that is left of a call, `timeout`, and at most for
  // kQueryTimeout. 0: the call has no timeout.
  absl::StatusOr<MessageLimits> Limits(std::chrono::milliseconds timeout);

  // MostInside returns how many bytes of elements a message may have, as far as is known.
  std::uint64_t MostInside();

  // NoteEnd takes in how a call has ended.
  void NoteEnd(const absl::Status& end);

  // ForgetOutputs takes in that the server does not know any more what was handed over for outputs.
  void ForgetOutputs() { outputs_->Forget(); }

 private:
  // Only with `sealing_`.
  Sealing SealingNow();
  Sealing SealingNothing();

  const std::shared_ptr<grpc::Channel> channel_;
  const grpc::internal::RpcMethod convert_;
  const grpc::internal::RpcMethod convert_stream_;
  const std::unique_ptr<v1::TensorService::Stub> service_;
  const std::unique_ptr<grpc::health::v1::Health::Stub> health_;
  const std::unique_ptr<::inference::GRPCInferenceService::Stub> inference_;
  const Transport transport_;
  const std::unique_ptr<SideConnection> side_;  // Null: nothing travels in sealed memory.
  const std::optional<Sealing> sealing_;        // What travels in sealed memory, if anything does.
  const std::shared_ptr<OutputPool> outputs_;
  const bool wait_for_ready_;
  std::mutex mutex_;  // Guards the members below.
  std::optional<MessageLimits> limits_;
  std::uint64_t times_forgotten_ = 0;  // How often NoteEnd has forgotten the limits.
};

// IsRegionLost returns whether the server does not know any more what was handed over.
bool IsRegionLost(const absl::Status& status);

// FitsEveryServer returns whether the elements fit into one message of any server, whatever its limit.
bool FitsEveryServer(std::span<const Array> arrays);

// IsTooLarge returns whether gRPC, in the server or here, has taken a message for too large, or has no room for it.
bool IsTooLarge(const absl::Status& status);

}  // namespace tensorferry::client
