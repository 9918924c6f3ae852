#include "http_port.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "base/status.h"
#include "web/error_body.h"
#include "web/routes.h"

namespace tensorferry {

absl::StatusOr<HttpPort> StartHttpPort(const HttpPortSources& sources) {
  const config::Config& config = sources.config;
  if (config.http_listen == "off") return HttpPort();
  auto gateway = std::make_unique<web::Gateway>(sources.server.InProcessChannel());
  const http::AccessPolicy policy{.tokens = sources.credentials.tokens(),
                                  .certificates = !config.tls_client_ca.empty()};
  const http::ServerOptions options{
      .address = config.http_listen,
      .limits = {.connections = 256, .body_bytes = config.max_message_bytes},
      .tls = sources.credentials.tls(),
      .pool = &sources.pool,
      .error_body = web::ErrorBody,
      .refusals = sources.refusals,
  };
  const web::RouteContext context{
      .gateway = *gateway, .pool = sources.pool, .max_message_bytes = config.max_message_bytes};
  TENSORFERRY_ASSIGN_OR_RETURN(auto server, http::Server::Start(options, http::Router(web::Routes(context), policy)));
  spdlog::info("HTTP port: {}", server->address());
  return HttpPort(std::move(gateway), std::move(server));
}

}  // namespace tensorferry
