#include "http_port.h"

#include <spdlog/spdlog.h>

#include <functional>
#include <iterator>
#include <utility>
#include <vector>

#include "base/status.h"
#include "config/open_address.h"
#include "debug_requests.h"
#include "http/error_response.h"
#include "page/page_routes.h"
#include "web/error_body.h"
#include "web/routes.h"

namespace tensorferry {

namespace {

// Returns whether somebody may read what operators read whom the admin port does not tell it: there are no tokens, other
// machines reach this port, and none reaches the admin port.
bool TellsMoreThanTheAdminPort(const HttpPortSources& sources) {
  return sources.credentials.tokens() == nullptr && config::IsOpenAddress(sources.config.http_listen) &&
         !config::IsOpenAddress(sources.config.admin_listen);
}

http::Route Closed(http::Route route) {
  route.answer = [](const http::Request& request) {
    return http::ErrorResponse(
        {.status = 403,
         .message = request.path + " is for operators, and without tokens other machines could ask for it here",
         .expected = "a server with --auth-token-file, or with an --admin-listen that other machines reach",
         .actual = "neither"});
  };
  return route;
}

// Returns what callers may ask for, the page, and what that shows of the server.
std::vector<http::Route> HttpRoutes(const HttpPortSources& sources, const web::RouteContext& context) {
  std::vector<http::Route> routes = web::Routes(context);
  std::vector<http::Route> page = page::PageRoutes();
  routes.insert(routes.end(), std::move_iterator(page.begin()), std::move_iterator(page.end()));
  const bool closed = TellsMoreThanTheAdminPort(sources);
  for (http::Route route : {http::MetricsRoute(sources.metrics), DebugRequestsRoute(sources.recent_calls)}) {
    routes.push_back(closed ? Closed(std::move(route)) : std::move(route));
  }
  return routes;
}

// Returns what the port may unpack and pack: nothing, unless it was started so.
http::CodingPolicy CodingsOf(const HttpPortSources& sources, web::WorkThread& work) {
  if (!sources.config.http_gzip) return {};
  return {.pool = &sources.pool,
          .body_bytes = sources.config.max_message_bytes,
          .aside = [&work](std::function<void()> packing) { work.Post(std::move(packing)); }};
}

}  // namespace

absl::StatusOr<HttpPort> StartHttpPort(const HttpPortSources& sources) {
  const config::Config& config = sources.config;
  if (config.http_listen == "off") return HttpPort();
  auto work = std::make_unique<web::WorkThread>("reading files that come over HTTP");
  auto gateway = std::make_unique<web::Gateway>(sources.server.local_methods(), sources.server.InProcessChannel());
  const bool guarded = sources.credentials.tokens() != nullptr || sources.credentials.tls() != nullptr;
  const http::AccessPolicy policy{.tokens = sources.credentials.tokens(),
                                  .certificates = !config.tls_client_ca.empty(),
                                  .local_hosts = !guarded && !config::IsOpenAddress(config.http_listen),
                                  .hosts = config.admin_host,
                                  .origins = config.http_origin};
  const http::ServerOptions options{
      .address = config.http_listen,
      .limits = {.connections = 256, .body_bytes = config.max_message_bytes},
      .tls = sources.credentials.tls(),
      .pool = &sources.pool,
      .error_body = web::ErrorBody,
      .refusals = sources.refusals,
  };
  const web::RouteContext context{
      .gateway = *gateway, .pool = sources.pool, .work = *work, .max_message_bytes = config.max_message_bytes};
  http::Router router(HttpRoutes(sources, context), policy, CodingsOf(sources, *work));
  TENSORFERRY_ASSIGN_OR_RETURN(auto server, http::Server::Start(options, std::move(router)));
  spdlog::info("HTTP port: {}", server->address());
  return HttpPort(std::move(work), std::move(gateway), std::move(server));
}

}  // namespace tensorferry
