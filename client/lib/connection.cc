#include "lib/connection.h"

#include <grpcpp/impl/client_unary_call.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "lib/attempts.h"
#include "lib/channel.h"
#include "lib/server_error.h"
#include "tensorferry/client/error.h"

namespace tensorferry::client {
namespace {

// Half of the least message that a server of ours can be told to take: room is left for names and the like.
constexpr std::size_t kLeastInside = std::size_t{32} << 10;
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

MessageLimits LimitsOf(const v1::GetServerInfoResponse& info) {
  const std::uint64_t half = info.max_message_bytes() > 0 ? info.max_message_bytes() / 2 : kMaxChunk;
  const std::size_t most = std::clamp<std::uint64_t>(half, kLeastInside, kMaxChunk);
  return {.most_inside = std::min<std::uint64_t>(most, kMaxInlineBytes),
          .chunk = std::clamp<std::uint64_t>(info.recommended_chunk_bytes(), kLeastInside, most)};
}

grpc::ChannelArguments ArgumentsOf(const ConnectOptions& options) {
  grpc::ChannelArguments arguments = CommonChannelArguments();
  constexpr std::int64_t kMost = std::numeric_limits<int>::max();  // Which gRPC takes for never.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(std::min(options.keepalive.count(), kMost)));
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
      sealing_(SealingOf(side_, options.transport)),
      outputs_(std::make_shared<OutputPool>(options.transport == Transport::kSealed ? OutputPool::Guess::kAsMuchAsIsSent
                                                                                    : OutputPool::Guess::kNothing)),
      wait_for_ready_(options.wait_for_ready) {}

bool Connection::Seals(std::span<const Array> arrays) const {
  if (!sealing_) return false;
  std::uint64_t others = 0;
  for (const Array& array : arrays) {
    if (array.bytes.size() >= sealing_->least_own_bytes && IsWritable(array)) return true;
    others += array.bytes.size();
  }
  return others >= sealing_->least_copied_bytes && others <= sealing_->most_copied_bytes;
}

Sealing Connection::SealingNow() {
  Sealing sealing = *sealing_;
  sealing.most_inside = MostInside();
  return sealing;
}

Sealing Connection::SealingNothing() {
  constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
  return {.side = *side_, .least_own_bytes = kNever, .least_copied_bytes = kNever, .most_inside = MostInside()};
}

std::optional<OutputKey> Connection::OutputsOf(std::span<const Array> arrays, const ConvertOptions& options) const {
  if (side_ == nullptr || (options.model_name.empty() && !options.return_data)) return std::nullopt;
  OutputKey key{.model_name = options.model_name,
                .model_version = options.model_version,
                .requested_outputs = options.requested_outputs,
                .return_data = options.return_data};
  for (const Array& array : arrays) key.nbytes += array.bytes.size();
  return key;
}

std::shared_ptr<OutputLease> Connection::Lend(std::span<const Array> arrays, const ConvertOptions& options,
                                              const OutputKey& key, const Road& road) {
  std::uint64_t nbytes = options.expected_output_bytes;
  if (nbytes == 0 && options.model_name.empty()) {  // A conversion brings back what it was sent.
    std::vector<std::uint64_t> sizes;
    for (const Array& array : arrays) sizes.push_back(array.bytes.size());
    nbytes = MemoryFor(sizes);
  } else if (nbytes == 0) {
    nbytes = outputs_->Expected(key);
  }
  if (nbytes == 0 || (!road.arrays_stay && !MayComeAgain(arrays, MostInside()))) return nullptr;
  return outputs_->Lend(nbytes, *side_, road.give_up);
}

void Connection::Learn(const OutputKey& key, const Response& response) {
  if (!key.model_name.empty()) outputs_->Learn(key, response);
}

absl::StatusOr<PreparedRequest> Connection::Prepare(std::span<const Array> arrays, const ConvertOptions& options,
                                                    const Road& road, bool seals) {
  if (seals || road.outputs != nullptr) {
    auto sealed = PrepareSealedRequest(arrays, options, road, seals ? SealingNow() : SealingNothing());
    if (sealed.ok() || transport_ == Transport::kSealed) return sealed;
  }
  return PrepareRequest(arrays, options, road.framing, PlacementOf(arrays, MostInside()));
}

absl::StatusOr<PreparedRequest> Connection::PrepareAgain(std::span<const Array> again, const ConvertOptions& options,
                                                         const Road& road, int times, const absl::Status& lost) {
  if (times == 1) {
    ForgetRegions(again);
    auto sealed = PrepareSealedRequest(again, options, road, SealingNow());
    if (sealed.ok() || transport_ == Transport::kSealed) return sealed;
  }
  if (transport_ == Transport::kSealed) return lost;
  std::vector<Array> readable;
  for (const Array& array : again) {
    TENSORFERRY_ASSIGN_OR_RETURN(readable.emplace_back(), Readable(array));
  }
  return PrepareRequest(readable, options, road.framing, PlacementOf(readable, MostInside()));
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

void Connection::Begin(grpc::ClientContext& context, std::chrono::milliseconds timeout) const {
  if (timeout.count() > 0) context.set_deadline(std::chrono::system_clock::now() + std::min(timeout, kMostTimeout));
  if (wait_for_ready_) context.set_wait_for_ready(true);
}

// Other calls look at the limits, too: the lock is not held while the server is asked, which may take long.
absl::StatusOr<MessageLimits> Connection::Limits(std::chrono::milliseconds timeout) {
  std::uint64_t times_forgotten = 0;
  {
    const std::scoped_lock lock(mutex_);
    if (limits_) return *limits_;
    times_forgotten = times_forgotten_;
  }
  grpc::ClientContext context;
  Begin(context, timeout.count() > 0 ? std::min(timeout, Client::kQueryTimeout) : Client::kQueryTimeout);
  v1::GetServerInfoResponse info;
  const grpc::Status status = service_->GetServerInfo(&context, {}, &info);
  if (!status.ok()) return FromGrpc(status);
  const MessageLimits limits = LimitsOf(info);
  const std::scoped_lock lock(mutex_);
  if (times_forgotten == times_forgotten_) limits_ = limits;
  return limits;
}

std::uint64_t Connection::MostInside() {
  const std::scoped_lock lock(mutex_);
  return limits_ ? limits_->most_inside : kMaxInlineBytes;
}

void Connection::NoteEnd(const absl::Status& end) {
  if (!IsUnreachable(end) && !IsTooLarge(end)) return;
  const std::scoped_lock lock(mutex_);
  limits_.reset();
  ++times_forgotten_;
}

bool IsRegionLost(const absl::Status& status) {
  if (status.ok()) return false;
  const std::string reason = ToError(status).reason;
  return reason == Info(Reason::kRegionNotFound).name || reason == Info(Reason::kSharedMemoryDisabled).name;
}

bool FitsEveryServer(std::span<const Array> arrays) { return PlacementOf(arrays, kLeastInside) == Placement::kInside; }

bool IsTooLarge(const absl::Status& status) {
  return absl::IsResourceExhausted(status) && ToError(status).reason.empty();
}

}  // namespace tensorferry::client
