#include "tensorferry/client/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <thread>
#include <utility>

#include "base/status.h"
#include "base/text.h"
#include "lib/attempts.h"
#include "lib/channel.h"
#include "lib/connection.h"
#include "lib/request.h"
#include "lib/response_assembler.h"
#include "lib/sealed_memory.h"
#include "lib/server_error.h"
#include "lib/server_info_proto.h"
#include "lib/stream_impl.h"
#include "lib/writable_pages.h"
#include "payload/array_header.h"

namespace tensorferry::client {
namespace {

// AnswerFitsUnary returns whether the response surely fits one message: without a model and returned elements it is
// metadata alone.
bool AnswerFitsUnary(const ConvertOptions& options) { return options.model_name.empty() && !options.return_data; }

absl::StatusOr<Response> ConvertUnary(Connection& connection, const PreparedRequest& request,
                                      std::chrono::milliseconds timeout) {
  grpc::ClientContext context;
  connection.Begin(context, timeout);
  v1::ConvertResponse response;
  TENSORFERRY_RETURN_IF_ERROR(FromGrpc(connection.Convert(context, request.message, response), context));
  TENSORFERRY_ASSIGN_OR_RETURN(Response answer, ToResponse(std::move(response)));
  AddSwaps(request.swapped, answer);
  return answer;
}

// TryUnary makes a call of one message each way. Nothing: the request takes a stream.
absl::StatusOr<std::optional<Response>> TryUnary(Connection& connection, std::span<const Array> arrays,
                                                 const ConvertOptions& options, const Attempts& attempts) {
  const bool seals = connection.Seals(arrays);
  const bool fits = PlacementOf(arrays, connection.MostInside()) == Placement::kInside;
  if (!AnswerFitsUnary(options) || (!seals && !fits)) return std::nullopt;
  Road road(Framing::kCall);
  road.give_up = attempts.GiveUp();
  TENSORFERRY_ASSIGN_OR_RETURN(const PreparedRequest request, connection.Prepare(arrays, options, road, seals));
  if (!request.chunked.empty()) return std::nullopt;
  absl::StatusOr<Response> answer = ConvertUnary(connection, request, attempts.TimeLeft());
  if (!request.regions.empty() && IsRegionLost(answer.status())) {
    ForgetRegions(request.again);
    return std::nullopt;
  }
  TENSORFERRY_RETURN_IF_ERROR(answer.status());
  return std::optional(*std::move(answer));
}

}  // namespace

Client::Client(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}

absl::StatusOr<Client> Client::Connect(const std::string& address, const ConnectOptions& options) {
  const std::optional<Address> parsed = ParseAddress(address);
  if (!NamesServers(address) && (!parsed || (!parsed->is_unix && parsed->port == 0))) {
    return absl::InvalidArgumentError(fmt::format(
        "address {} is none of HOST:PORT, [IPV6]:PORT, unix:PATH, dns:///HOST:PORT and ipv4:IP:PORT,IP:PORT",
        Quote(address)));
  }
  if (!std::ranges::all_of(options.token, [](char c) { return c > ' ' && c < '\x7f'; })) {
    return absl::InvalidArgumentError("the token has blanks, or characters that are not ASCII");
  }
  if (options.transport == Transport::kSealed && !address.starts_with("unix:")) {
    return absl::InvalidArgumentError(
        fmt::format("transport sealed needs an address unix:PATH, not {}", Quote(address)));
  }
  return Client(std::make_shared<Connection>(address, options));
}

absl::StatusOr<Response> Client::Convert(std::span<const Array> arrays, const ConvertOptions& options) {
  Attempts attempts(options.retries, options.timeout);
  absl::StatusOr<Response> answer = ConvertOnce(arrays, options, attempts);
  while (const auto delay = attempts.Delay(answer.status())) {
    std::this_thread::sleep_for(*delay);
    answer = ConvertOnce(arrays, options, attempts);
  }
  return answer;
}

// ConvertOnce makes one try. What is too large for the messages of another server than the one before, at the same address,
// goes once more, in messages as that one takes them.
absl::StatusOr<Response> Client::ConvertOnce(std::span<const Array> arrays, const ConvertOptions& options,
                                             const Attempts& attempts) {
  const std::uint64_t most_inside = connection_->MostInside();
  absl::StatusOr<Response> answer = Send(arrays, options, attempts);
  connection_->NoteEnd(answer.status());
  if (!IsTooLarge(answer.status())) return answer;
  const absl::StatusOr<MessageLimits> limits = connection_->Limits(attempts.TimeLeft());
  return limits.ok() && limits->most_inside < most_inside ? Send(arrays, options, attempts) : answer;
}

absl::StatusOr<Response> Client::Send(std::span<const Array> arrays, const ConvertOptions& options,
                                      const Attempts& attempts) {
  TENSORFERRY_ASSIGN_OR_RETURN(std::optional<Response> unary, TryUnary(*connection_, arrays, options, attempts));
  absl::StatusOr<Response> answer = unary ? *std::move(unary) : ConvertOnStream(arrays, options, attempts.TimeLeft());
  TENSORFERRY_ASSIGN_OR_RETURN(Response response, std::move(answer));
  if (response.tensors.size() != arrays.size()) {
    return absl::InternalError(
        fmt::format("{} arrays were sent, the server answered with {}", arrays.size(), response.tensors.size()));
  }
  return response;
}

absl::StatusOr<Response> Client::ConvertOnStream(std::span<const Array> arrays, const ConvertOptions& options,
                                                 std::chrono::milliseconds timeout) {
  const StreamOptions for_one{.max_outstanding = 1, .timeout = timeout};
  constexpr bool kArraysStay = true;
  Stream stream(std::make_unique<Stream::Impl>(connection_, for_one, kArraysStay));
  Stream::Answer answer = stream.Send(arrays, options);
  stream.Finish().IgnoreError();  // The answer carries the same error.
  return answer.get();
}

absl::StatusOr<WritableArray> Client::Empty(std::string name, std::vector<std::int64_t> shape,
                                            std::string dtype) const {
  constexpr PayloadLimits kNoLimits{.max_tensor_bytes = std::numeric_limits<std::int64_t>::max()};
  const auto header = ArrayHeader::Make({.dtype = dtype, .shape = shape}, Fidelity::kConvert, kNoLimits);
  if (!header.ok()) return InArray(name, header.status());
  Array array{.name = std::move(name), .dtype = std::move(dtype), .shape = std::move(shape), .bytes = {}};
  if (header->nbytes() == 0) return WritableArray(std::move(array), {});
  TENSORFERRY_ASSIGN_OR_RETURN(std::shared_ptr<WritablePages> pages, connection_->MakePages(header->nbytes()));
  const std::span<std::byte> bytes = pages->bytes();
  array.bytes = bytes;
  array.owner = OwnerOf(std::move(pages));
  return WritableArray(std::move(array), bytes);
}

Stream Client::OpenStream(const StreamOptions& options) {
  return Stream(std::make_unique<Stream::Impl>(connection_, options));
}

absl::StatusOr<ServerInfo> Client::GetServerInfo(std::chrono::milliseconds timeout) {
  grpc::ClientContext context;
  connection_->Begin(context, timeout);
  v1::GetServerInfoResponse response;
  TENSORFERRY_RETURN_IF_ERROR(FromGrpc(connection_->service().GetServerInfo(&context, {}, &response)));
  return FromProto(response);
}

absl::StatusOr<std::vector<ModelInfo>> Client::ListModels(std::chrono::milliseconds timeout) {
  grpc::ClientContext context;
  connection_->Begin(context, timeout);
  v1::ListModelsResponse response;
  TENSORFERRY_RETURN_IF_ERROR(FromGrpc(connection_->service().ListModels(&context, {}, &response)));
  return FromProto(response);
}

absl::StatusOr<Health> Client::Ping(const std::string& service, std::chrono::milliseconds timeout) {
  using grpc::health::v1::HealthCheckResponse;
  grpc::ClientContext context;
  connection_->Begin(context, timeout);
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  HealthCheckResponse response;
  TENSORFERRY_RETURN_IF_ERROR(FromGrpc(connection_->health().Check(&context, request, &response)));
  switch (response.status()) {
    case HealthCheckResponse::SERVING: return Health::kServing;
    case HealthCheckResponse::NOT_SERVING: return Health::kNotServing;
    default: return Health::kUnknown;
  }
}

}  // namespace tensorferry::client
