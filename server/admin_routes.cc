#include "admin_routes.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "config/describe.h"
#include "debug_requests.h"
#include "http/error_response.h"
#include "inference/repository/torch_pipeline.h"

namespace tensorferry {
namespace {

using Phase = rpc::Server::Phase;

http::Response Ok() { return {.body = "ok\n"}; }

http::Response Unavailable(std::string message, std::string expected, std::string actual) {
  return http::ErrorResponse(
      {.status = 503, .message = std::move(message), .expected = std::move(expected), .actual = std::move(actual)});
}

http::Response Json(std::string text) {
  return {.content_type = std::string(http::kJsonType), .body = std::move(text)};
}

http::Response Live(const rpc::SelfCheck& self_check) {
  if (!self_check.found_deaf()) return Ok();
  return Unavailable("the server takes no connections at one of its addresses any more, and is ending itself",
                     "an answer to the server's own connection", "none, several times in a row");
}

http::Response Started(Phase phase) {
  if (phase != Phase::kLoading) return Ok();
  return Unavailable("models are still being loaded", "started", "loading");
}

http::Response Ready(Phase phase) {
  switch (phase) {
    case Phase::kLoading: return Unavailable("models are still being loaded", "ready", "loading");
    case Phase::kReady: return Ok();
    case Phase::kStopping: return Unavailable("the server is stopping", "ready", "stopping");
  }
  __builtin_unreachable();
}

std::string VersionJson() {
  const nlohmann::ordered_json page = {
      {"name", "tensorferry-server"}, {"version", TENSORFERRY_VERSION}, {"torch_version", inference::TorchVersion()}};
  return page.dump() + "\n";
}

}  // namespace

std::vector<http::Route> AdminRoutes(const AdminSources& sources) {
  constexpr security::Roles kEverybody;
  constexpr security::Roles kCallers = security::Roles(security::Role::kInfer) | security::Role::kMetrics;
  constexpr security::Roles kAdmin = security::Role::kAdmin;
  const rpc::Server& server = sources.server;
  return {
      {.path = "/livez",
       .purpose = "whether the server lives; if not, start it again",
       .roles = kEverybody,
       .answer = [&check = sources.self_check](const auto&) { return Live(check); }},
      {.path = "/readyz",
       .purpose = "whether to send requests here: models are loaded, and the server is not stopping",
       .roles = kEverybody,
       .answer = [&server](const auto&) { return Ready(server.phase()); }},
      {.path = "/startupz",
       .purpose = "whether the models of the start were loaded",
       .roles = kEverybody,
       .answer = [&server](const auto&) { return Started(server.phase()); }},
      {.path = "/version",
       .purpose = "versions of the server and of torch",
       .roles = kCallers,
       .answer = [](const auto&) { return Json(VersionJson()); }},
      http::MetricsRoute(sources.metrics),
      {.path = "/configz",
       .purpose = "every setting, its value, and where that comes from",
       .roles = kAdmin,
       .answer = [&resolved = sources.resolved](const auto&) { return Json(config::ConfigJson(resolved)); }},
      DebugRequestsRoute(sources.recent_calls),
  };
}

}  // namespace tensorferry
