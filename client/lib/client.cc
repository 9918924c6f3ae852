#include "tensorferry/client/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/status.h"
#include "base/text.h"
#include "lib/connection.h"
#include "lib/request.h"
#include "lib/response_assembler.h"
#include "lib/server_error.h"
#include "lib/server_info_proto.h"
#include "lib/stream_impl.h"

namespace tensorferry::client {
namespace {

// FitsUnary returns whether request and response surely fit one message each: without a model and returned elements the
// response is metadata alone.
bool FitsUnary(std::span<const Array> arrays, const ConvertOptions& options) {
  return PlacementOf(arrays) == Placement::kInside && options.model_name.empty() && !options.return_data;
}

// IsRegionLost returns whether the server does not know any more what was handed over.
bool IsRegionLost(const absl::Status& status) {
  if (status.ok()) return false;
  const std::string reason = ToError(status).reason;
  return reason == Info(Reason::kRegionNotFound).name || reason == Info(Reason::kSharedMemoryDisabled).name;
}

absl::StatusOr<Response> ConvertUnary(Connection& connection, std::span<const Array> arrays,
                                      const ConvertOptions& options) {
  TENSORFERRY_ASSIGN_OR_RETURN(const PreparedRequest request,
                               PrepareRequest(arrays, options, Framing::kCall, Placement::kInside));
  grpc::ClientContext context;
  SetTimeout(context, options.timeout);
  v1::ConvertResponse response;
  TENSORFERRY_RETURN_IF_ERROR(FromGrpc(connection.Convert(context, request.message, response)));
  return ToResponse(std::move(response));
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
  const bool seals = connection_->Seals(arrays);
  absl::StatusOr<Response> answer = !seals && FitsUnary(arrays, options) ? ConvertUnary(*connection_, arrays, options)
                                                                         : ConvertOnStream(arrays, options, seals);
  if (seals && connection_->transport() == Transport::kAuto && IsRegionLost(answer.status())) {
    answer = ConvertOnStream(arrays, options, false);
  }
  TENSORFERRY_ASSIGN_OR_RETURN(Response response, std::move(answer));
  if (response.tensors.size() != arrays.size()) {
    return absl::InternalError(
        fmt::format("{} arrays were sent, the server answered with {}", arrays.size(), response.tensors.size()));
  }
  return response;
}

absl::StatusOr<Response> Client::ConvertOnStream(std::span<const Array> arrays, const ConvertOptions& options,
                                                 bool seals) {
  const StreamOptions for_one{.max_outstanding = 1, .timeout = options.timeout};
  Stream stream(std::make_unique<Stream::Impl>(connection_, for_one, seals));
  Stream::Answer answer = stream.Send(arrays, options);
  stream.Finish().IgnoreError();  // The answer carries the same error.
  return answer.get();
}

Stream Client::OpenStream(const StreamOptions& options) {
  return Stream(std::make_unique<Stream::Impl>(connection_, options, true));
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
