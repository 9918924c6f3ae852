#include "http/router.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>
#include <string_view>

#include "http/error_response.h"

namespace tensorferry::http {
namespace {

constexpr std::string_view kIndexPath = "/";
constexpr std::string_view kMethods = "GET, HEAD";

}  // namespace

const Route* Router::Find(std::string_view path) const {
  const auto route = std::ranges::find(routes_, path, &Route::path);
  return route == routes_.end() ? nullptr : &*route;
}

Response Router::ListRoutes() const {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Route& route : routes_) {
    const std::string_view roles = route.roles.empty() ? "everybody" : NamesOf(route.roles | security::Role::kAdmin);
    list.push_back({{"path", route.path}, {"purpose", route.purpose}, {"for", roles}});
  }
  return {.content_type = std::string(kJsonType), .body = nlohmann::ordered_json{{"routes", list}}.dump(2) + "\n"};
}

Response Router::AnswerGuarded(const Request& request) const {
  const Route* const route = Find(request.path);
  if (route == nullptr && request.path != kIndexPath) {
    return ErrorResponse({.status = 404,
                          .message = "there is nothing at this path; / lists the paths",
                          .expected = "one of the paths that / lists",
                          .actual = request.path});
  }
  if (request.method != "GET" && request.method != "HEAD") {
    return ErrorResponse({.status = 405,
                          .message = fmt::format("{} takes no {}", request.path, request.method),
                          .expected = std::string(kMethods),
                          .actual = request.method},
                         {{"Allow", std::string(kMethods)}});
  }
  if (route == nullptr) return ListRoutes();
  if (auto refusal = RefuseAccess(policy_, route->roles, request)) return *std::move(refusal);
  return route->answer(request);
}

Response Router::Answer(const Request& request) const {
  try {
    return AnswerGuarded(request);
  } catch (const std::exception& error) {
    spdlog::debug("http: {} failed: {}", request.path, error.what());
    return {.status = 500, .body = "internal error\n"};
  }
}

}  // namespace tensorferry::http
