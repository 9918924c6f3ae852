#include "admin_port.h"

#include <spdlog/spdlog.h>

#include <string>

#include "admin_routes.h"
#include "config/open_address.h"

namespace tensorferry {

absl::StatusOr<std::unique_ptr<http::Server>> StartAdminPort(const AdminSources& sources) {
  const config::Config& config = sources.resolved.config;
  if (config.admin_listen == "off") return nullptr;
  const bool guarded = sources.credentials.tokens() != nullptr || sources.credentials.tls() != nullptr;
  const http::AccessPolicy policy{.tokens = sources.credentials.tokens(),
                                  .certificates = !config.tls_client_ca.empty(),
                                  .local_hosts = !guarded && !config::IsOpenAddress(config.admin_listen),
                                  .hosts = config.admin_host};
  auto port = http::Server::Start(
      {.address = config.admin_listen, .tls = sources.credentials.tls(), .refusals = sources.refusals},
      http::Router(AdminRoutes(sources), policy));
  if (!port.ok() && sources.resolved.sources.at("admin-listen") == "default") {
    spdlog::warn("{}; serving without the admin port, as no --admin-listen chooses another address",
                 std::string(port.status().message()));
    return nullptr;
  }
  if (port.ok()) spdlog::info("admin port: {}", (*port)->address());
  return port;
}

}  // namespace tensorferry
