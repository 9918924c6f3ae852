#include <fmt/format.h>

#include <cstdint>
#include <utility>

#include "base/status.h"
#include "inference/grpc_service.pb.h"
#include "web/json_tree.h"
#include "web/proto_json.h"
#include "web/routes.h"
#include "web/unary_route.h"

namespace tensorferry::web {
nlohmann::json ObjectOf(const http::Request& request) {
  if (request.body.empty()) return nlohmann::json::object();
  constexpr std::size_t kMaxBytes = std::size_t{1} << 20;
  const auto bad = [](std::string message, std::string expected, std::string actual) {
    return BadBody{
        {.status = 400, .message = std::move(message), .expected = std::move(expected), .actual = std::move(actual)}};
  };
  const bool has_files = request.path.ends_with("/load");  // Files of models stand in the body.
  if (request.body.size() > kMaxBytes && !has_files) {
    BadBody too_long = bad("the request's body is too long", fmt::format("at most {} bytes", kMaxBytes),
                           fmt::format("{} bytes", request.body.size()));
    too_long.problem.reason = Info(Reason::kTensorTooLarge).name;
    throw too_long;
  }
  TreeSax sax({.text_bytes = has_files ? SIZE_MAX : kMaxBytes});
  if (!nlohmann::json::sax_parse(request.body, &sax)) {
    throw bad(DescribeError(sax.error()).message, "a JSON object", "another text");
  }
  if (!sax.tree().is_object()) {
    throw bad("the request's body is no JSON object", "a JSON object", sax.tree().type_name());
  }
  return std::move(sax.tree());
}

std::vector<http::Route> ServerRoutes(const RouteContext& context) {
  return {
      RouteOf<inference::ServerLiveRequest, inference::ServerLiveResponse>(
          context, {.path = "/v2/health/live",
                    .purpose = "whether the server lives",
                    .method = "ServerLive",
                    .http_methods = kRead,
                    .ask = [](const auto&) { return inference::ServerLiveRequest(); },
                    .answer = [](const auto& answer) { return YesOrNo("live", answer.live()); }}),
      RouteOf<inference::ServerReadyRequest, inference::ServerReadyResponse>(
          context, {.path = "/v2/health/ready",
                    .purpose = "whether the server is ready",
                    .method = "ServerReady",
                    .http_methods = kRead,
                    .ask = [](const auto&) { return inference::ServerReadyRequest(); },
                    .answer = [](const auto& answer) { return YesOrNo("ready", answer.ready()); }}),
      RouteOf<inference::ServerMetadataRequest, inference::ServerMetadataResponse>(
          context, {.path = "/v2",
                    .purpose = "name, version and extensions of the server",
                    .method = "ServerMetadata",
                    .http_methods = kRead,
                    .ask = [](const auto&) { return inference::ServerMetadataRequest(); },
                    .answer = [](const auto& answer) { return JsonResponse(ProtoJson(answer)); }}),
  };
}

}  // namespace tensorferry::web
