#include "tensorferry/client/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "base/status.h"
#include "base/text.h"
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
                                      const ConvertOptions& options) {
  grpc::ClientContext context;
  SetTimeout(context, options.timeout);
  v1::ConvertResponse response;
  const absl::Status end = FromGrpc(connection.Convert(context, request.message, response));
  connection.ForgetLimitsAfter(end);
  TENSORFERRY_RETURN_IF_ERROR(end);
  TENSORFERRY_ASSIGN_OR_RETURN(Response answer, ToResponse(std::move(response)));
  AddSwaps(request.swapped, answer);
  return answer;
}

// TryUnary makes a call of one message each way. Nothing: the request takes a stream.
absl::StatusOr<std::optional<Response>> TryUnary(Connection& connection, std::span<const Array> arrays,
                                                 const ConvertOptions& options) {
  const bool may_fit =
      connection.Seals(arrays) || PlacementOf(arrays, connection.limits().most_inside_bytes) == Placement::kInside;
  if (!AnswerFitsUnary(options) || !may_fit) return std::nullopt;
  TENSORFERRY_ASSIGN_OR_RETURN(const PreparedRequest request, connection.Prepare(arrays, options, Framing::kCall));
  if (!request.chunked.empty()) return std::nullopt;
  absl::StatusOr<Response> answer = ConvertUnary(connection, request, options);
  if (!request.regions.empty() && IsRegionLost(answer.status())) {
    ForgetRegions(request.again);
    return std::nullopt;
  }
  TENSORFERRY_RETURN_IF_ERROR(answer.status());
  return std::optional(*std::move(answer));
}

// HasOtherLimits asks the server whether it takes less in a message than `used`.
bool HasOtherLimits(Connection& connection, const MessageLimits& used, std::chrono::milliseconds timeout) {
  const absl::StatusOr<MessageLimits> now = connection.AskLimits(timeout);
  return now.ok() && (now->most_inside_bytes < used.most_inside_bytes || now->chunk_bytes < used.chunk_bytes);
}

// Remaining makes the second try of a call end with the call's own timeout.
ConvertOptions Remaining(const ConvertOptions& options, std::chrono::steady_clock::time_point begin) {
  ConvertOptions remaining = options;
  if (options.timeout.count() == 0) return remaining;
  const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
  remaining.timeout = std::max(options.timeout - passed, std::chrono::milliseconds(1));
  return remaining;
}

}  // namespace

Client::Client(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}

absl::StatusOr<Client> Client::Connect(const std::string& address, const ConnectOptions& options) {
  const std::optional<Address> parsed = ParseAddress(address);
  if (!parsed || (!parsed->is_unix && parsed->port == 0)) {
    return absl::InvalidArgumentError(
        fmt::format("address {} is none of HOST:PORT, [IPV6]:PORT and unix:PATH", Quote(address)));
  }
  if (!std::ranges::all_of(options.token, [](char c) { return c > ' ' && c < '\x7f'; })) {
    return absl::InvalidArgumentError("the token has blanks, or characters that are not ASCII");
  }
  if (options.transport == Transport::kSealed && !parsed->is_unix) {
    return absl::InvalidArgumentError(
        fmt::format("transport sealed needs an address unix:PATH, not {}", Quote(address)));
  }
  return Client(std::make_shared<Connection>(address, options));
}

absl::StatusOr<Response> Client::Convert(std::span<const Array> arrays, const ConvertOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  const MessageLimits used = connection_->limits();
  absl::StatusOr<Response> answer = ConvertOnce(arrays, options);
  if (IsOutgrown(answer.status()) && HasOtherLimits(*connection_, used, QueryTimeout(options.timeout))) {
    answer = ConvertOnce(arrays, Remaining(options, begin));
  }
  TENSORFERRY_ASSIGN_OR_RETURN(Response response, std::move(answer));
  if (response.tensors.size() != arrays.size()) {
    return absl::InternalError(
        fmt::format("{} arrays were sent, the server answered with {}", arrays.size(), response.tensors.size()));
  }
  return response;
}

absl::StatusOr<Response> Client::ConvertOnce(std::span<const Array> arrays, const ConvertOptions& options) {
  TENSORFERRY_ASSIGN_OR_RETURN(std::optional<Response> unary, TryUnary(*connection_, arrays, options));
  if (unary) return *std::move(unary);
  return ConvertOnStream(arrays, options);
}

absl::StatusOr<Response> Client::ConvertOnStream(std::span<const Array> arrays, const ConvertOptions& options) {
  const StreamOptions for_one{.max_outstanding = 1, .timeout = options.timeout};
  Stream stream(std::make_unique<Stream::Impl>(connection_, for_one));
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
  SetTimeout(context, timeout);
  v1::GetServerInfoResponse response;
  TENSORFERRY_RETURN_IF_ERROR(FromGrpc(connection_->service().GetServerInfo(&context, {}, &response)));
  return FromProto(response);
}

absl::StatusOr<std::vector<ModelInfo>> Client::ListModels(std::chrono::milliseconds timeout) {
  grpc::ClientContext context;
  SetTimeout(context, timeout);
  v1::ListModelsResponse response;
  TENSORFERRY_RETURN_IF_ERROR(FromGrpc(connection_->service().ListModels(&context, {}, &response)));
  return FromProto(response);
}

absl::StatusOr<Health> Client::Ping(const std::string& service, std::chrono::milliseconds timeout) {
  using grpc::health::v1::HealthCheckResponse;
  grpc::ClientContext context;
  SetTimeout(context, timeout);
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
