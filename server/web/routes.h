// All routes of the HTTP port for callers. A new route is a line in one of the lists that Routes puts together.
#pragma once

#include <cstdint>
#include <vector>

#include "base/buffer_pool.h"
#include "http/router.h"
#include "web/gateway.h"

namespace tensorferry::web {

// RouteContext is what routes use. All outlive the routes.
struct RouteContext {
  Gateway& gateway;
  BufferPool& pool;
  std::uint64_t max_message_bytes;
};

std::vector<http::Route> Routes(const RouteContext& context);

// The lists: of the server, of models, of inference, of the repository and shared memory, and of settings.
std::vector<http::Route> ServerRoutes(const RouteContext& context);
std::vector<http::Route> ModelRoutes(const RouteContext& context);
std::vector<http::Route> InferRoutes(const RouteContext& context);
std::vector<http::Route> RepositoryRoutes(const RouteContext& context);
std::vector<http::Route> SettingsRoutes(const RouteContext& context);

}  // namespace tensorferry::web
