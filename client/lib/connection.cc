#include "lib/connection.h"

#include <grpcpp/impl/client_unary_call.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "lib/channel.h"
#include "lib/server_error.h"
#include "tensorferry/client/error.h"

namespace tensorferry::client {
namespace {

constexpr std::size_t kMinChunk = std::size_t{64} << 10;  // Unless messages are smaller.
constexpr std::size_t kMaxChunk = std::size_t{16} << 20;

// With kAuto arrays go in sealed memory that they lie in already from kLeastOwn bytes on. Others are copied there if they
// have so many bytes together: below, the hand-over costs more than it saves, and above, chunks take less time.
// docs/performance.md has the measurement.
constexpr std::uint64_t kLeastOwn = std::uint64_t{256} << 10;
constexpr std::uint64_t kLeastCopied = std::uint64_t{1} << 20;
constexpr std::uint64_t kMostCopied = std::uint64_t{4} << 20;

std::unique_ptr<SideConnection> SideOf(const std::string& address, Transport transport) {
  constexpr std::string_view kUnix = "unix:";
  if (transport == Transport::kBytes || !address.starts_with(kUnix)) return nullptr;
  return std::make_unique<SideConnection>(address.substr(kUnix.size()));
}

std::optional<Sealing> SealingOf(const std::unique_ptr<SideConnection>& side, Transport transport) {
  if (side == nullptr) return std::nullopt;
  if (transport == Transport::kSealed) return Sealing{.side = *side};
  return Sealing{.side = *side,
                 .least_own_bytes = kLeastOwn,
                 .least_copied_bytes = kLeastCopied,
                 .most_copied_bytes = kMostCopied};
}

// Half of a message is left for what is no element.
MessageLimits LimitsOf(const v1::GetServerInfoResponse& info) {
  constexpr std::uint64_t kSmallest = 16;  // ForEachChunk needs some bytes, whatever a server says.
  const std::uint64_t half = std::max(kSmallest, info.max_message_bytes() / 2);
  MessageLimits limits;
  limits.chunk_bytes = std::clamp<std::size_t>(info.recommended_chunk_bytes(), kMinChunk, kMaxChunk);
  if (info.max_message_bytes() == 0) return limits;  // It does not say.
  limits.most_inside_bytes = std::min(limits.most_inside_bytes, half);
  limits.chunk_bytes = std::min<std::size_t>(limits.chunk_bytes, half);
  return limits;
}

grpc::ChannelArguments ArgumentsOf(const ConnectOptions& options) {
  grpc::ChannelArguments arguments = CommonChannelArguments();
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(options.keepalive.count()));
  return arguments;
}

}  // namespace

Connection::Connection(const std::string& address, const ConnectOptions& options)
    : channel_(OpenChannel(address, options, ArgumentsOf(options))),
      convert_("/tensorferry.v1.TensorService/Convert", grpc::internal::RpcMethod::NORMAL_RPC, channel_),
      convert_stream_("/tensorferry.v1.TensorService/ConvertStream", grpc::internal::RpcMethod::BIDI_STREAMING,
                      channel_),
      service_(v1::TensorService::NewStub(channel_)),
      health_(grpc::health::v1::Health::NewStub(channel_)),
      inference_(::inference::GRPCInferenceService::NewStub(channel_)),
      transport_(options.transport),
      side_(SideOf(address, options.transport)),
      sealing_(SealingOf(side_, options.transport)) {}

bool Connection::Seals(std::span<const Array> arrays) const {
  if (!sealing_) return false;
  std::uint64_t others = 0;
  for (const Array& array : arrays) {
    if (array.bytes.size() >= sealing_->least_own_bytes && IsWritable(array)) return true;
    others += array.bytes.size();
  }
  return others >= sealing_->least_copied_bytes && others <= sealing_->most_copied_bytes;
}

absl::StatusOr<PreparedRequest> Connection::Prepare(std::span<const Array> arrays, const ConvertOptions& options,
                                                    Framing framing) {
  if (Seals(arrays)) {
    auto sealed = PrepareSealedRequest(arrays, options, framing, SealingNow());
    if (sealed.ok() || transport_ == Transport::kSealed) return sealed;
  }
  return PrepareRequest(arrays, options, framing, PlacementOf(arrays, limits().most_inside_bytes));
}

absl::StatusOr<PreparedRequest> Connection::PrepareAgain(std::span<const Array> again, const ConvertOptions& options,
                                                         int times, const absl::Status& lost) {
  if (times == 1) {
    ForgetRegions(again);
    auto sealed = PrepareSealedRequest(again, options, Framing::kStream, SealingNow());
    if (sealed.ok() || transport_ == Transport::kSealed) return sealed;
  }
  if (transport_ == Transport::kSealed) return lost;
  std::vector<Array> readable;
  for (const Array& array : again) {
    TENSORFERRY_ASSIGN_OR_RETURN(readable.emplace_back(), Readable(array));
  }
  return PrepareRequest(readable, options, Framing::kStream, PlacementOf(readable, limits().most_inside_bytes));
}

Sealing Connection::SealingNow() {
  Sealing sealing = *sealing_;
  sealing.most_inside_bytes = limits().most_inside_bytes;
  return sealing;
}

absl::StatusOr<std::shared_ptr<WritablePages>> Connection::MakePages(std::size_t nbytes) const {
  if (sealing_) {
    auto pages = WritablePages::Make(nbytes, true);
    if (pages.ok() || transport_ == Transport::kSealed) return pages;
  }
  return WritablePages::Make(nbytes, false);
}

// Convert does what generated stubs do, but takes a request that is serialised already.
grpc::Status Connection::Convert(grpc::ClientContext& context, const grpc::ByteBuffer& request,
                                 v1::ConvertResponse& response) {
  return grpc::internal::BlockingUnaryCall<grpc::ByteBuffer, v1::ConvertResponse>(channel_.get(), convert_, &context,
                                                                                  request, &response);
}

std::unique_ptr<Connection::StreamCall> Connection::ConvertStream(grpc::ClientContext& context) {
  using Factory = grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer, v1::ConvertStreamResponse>;
  return std::unique_ptr<StreamCall>(Factory::Create(channel_.get(), convert_stream_, &context));
}

MessageLimits Connection::limits() {
  const std::scoped_lock lock(mutex_);
  return limits_.value_or(MessageLimits{});
}

absl::StatusOr<MessageLimits> Connection::AskLimits(std::chrono::milliseconds timeout) {
  const std::scoped_lock asking(asking_);
  {
    const std::scoped_lock lock(mutex_);
    if (limits_) return *limits_;
  }
  grpc::ClientContext context;
  SetTimeout(context, timeout);
  v1::GetServerInfoResponse info;
  const grpc::Status status = service_->GetServerInfo(&context, {}, &info);
  if (!status.ok()) return FromGrpc(status);
  const std::scoped_lock lock(mutex_);
  return limits_.emplace(LimitsOf(info));
}

void Connection::ForgetLimitsAfter(const absl::Status& end) {
  if (!IsUnreachable(end) && !IsOutgrown(end)) return;
  const std::scoped_lock lock(mutex_);
  limits_.reset();
}

bool IsOutgrown(const absl::Status& status) {
  return absl::IsResourceExhausted(status) && ToError(status).reason.empty();
}

bool IsRegionLost(const absl::Status& status) {
  if (status.ok()) return false;
  const std::string reason = ToError(status).reason;
  return reason == Info(Reason::kRegionNotFound).name || reason == Info(Reason::kSharedMemoryDisabled).name;
}

std::chrono::milliseconds QueryTimeout(std::chrono::milliseconds timeout) {
  return timeout.count() > 0 ? std::min(timeout, Client::kQueryTimeout) : Client::kQueryTimeout;
}

void SetTimeout(grpc::ClientContext& context, std::chrono::milliseconds timeout) {
  if (timeout.count() > 0) context.set_deadline(std::chrono::system_clock::now() + timeout);
}

}  // namespace tensorferry::client
