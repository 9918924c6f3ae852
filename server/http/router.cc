#include "http/router.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "http/cross_origin.h"
#include "http/error_response.h"
#include "http/packed_answer.h"
#include "http/unpacked_body.h"

namespace tensorferry::http {
namespace {

constexpr std::string_view kIndexPath = "/";
// Takes the first segment of a path, with its `/`, off `path`. Returns it without the `/`.
std::string_view TakeSegment(std::string_view& path) {
  const std::size_t end = std::min(path.find('/', 1), path.size());
  const std::string_view segment = path.substr(1, end - 1);
  path.remove_prefix(end);
  return segment;
}

// Returns what stands in `path` for each `{}` of `pattern`, or nothing if they do not fit.
std::optional<std::vector<std::string>> Match(std::string_view pattern, std::string_view path) {
  std::vector<std::string> values;
  while (pattern.starts_with('/') && path.starts_with('/')) {
    const std::string_view wanted = TakeSegment(pattern);
    const std::string_view segment = TakeSegment(path);
    if (wanted == segment) continue;
    if (wanted != "{}" || segment.empty()) return std::nullopt;
    auto value = PercentDecoded(segment);
    if (!value) return std::nullopt;
    values.push_back(*std::move(value));
  }
  return pattern.empty() && path.empty() ? std::optional(std::move(values)) : std::nullopt;
}

}  // namespace

Router::Found Router::Find(const Request& request) const {
  Found found;
  for (const Route& route : routes_) {
    auto values = Match(route.path, request.path);
    if (!values || (route.takes && !route.takes(request))) continue;
    if (std::ranges::find(route.methods, request.method) != route.methods.end()) {
      return {.route = &route, .values = *std::move(values)};
    }
    if (found.route == nullptr) found = {.route = &route, .of_another_method = true};
  }
  return found;
}

Response Router::ListRoutes() const {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Route& route : routes_) {
    const std::string_view roles = route.roles.empty() ? "everybody" : NamesOf(route.roles | security::Role::kAdmin);
    list.push_back({{"path", route.path}, {"purpose", route.purpose}, {"for", roles}});
  }
  return {.content_type = std::string(kJsonType), .body = nlohmann::ordered_json{{"routes", list}}.dump(2) + "\n"};
}

std::optional<Response> Router::RefuseAt(const Found& found, const Request& request) const {
  if (found.route == nullptr && request.path != kIndexPath) {
    return ErrorResponse({.status = 404,
                          .message = "there is nothing at this path; / lists the paths",
                          .expected = "one of the paths that / lists",
                          .actual = request.path});
  }
  const bool wrong_index_method = found.route == nullptr && request.method != "GET" && request.method != "HEAD";
  if (found.of_another_method || wrong_index_method) {
    std::string methods;
    for (const Route& route : routes_) {
      if (!Match(route.path, request.path)) continue;
      for (const std::string& method : route.methods) methods += (methods.empty() ? "" : ", ") + method;
    }
    if (methods.empty()) methods = "GET, HEAD";  // Those of the list of routes.
    return ErrorResponse({.status = 405,
                          .message = fmt::format("{} takes no {}", request.path, request.method),
                          .expected = methods,
                          .actual = request.method},
                         {{"Allow", methods}});
  }
  return found.route == nullptr ? std::nullopt : RefuseAccess(policy_, found.route->roles, request);
}

std::optional<Response> Router::Refuse(const Request& head) const {
  if (auto answer = AnswerForOrigin(policy_.origins, head)) return answer;
  auto refusal = RefuseAt(Find(head), head);
  if (!refusal) refusal = RefuseCoding(codings_, head);
  if (!refusal) return std::nullopt;
  for (Field& field : OriginFields(policy_.origins, head)) refusal->fields.push_back(std::move(field));
  return refusal;
}

void Router::Serve(Request request, const Reply& given) const {
  Reply reply = given;
  if (!policy_.origins.empty()) {
    reply = [given, fields = OriginFields(policy_.origins, request)](Response response) {
      response.fields.insert(response.fields.end(), fields.begin(), fields.end());
      given(std::move(response));
    };
  }
  try {
    Found found = Find(request);
    request.path_values = std::move(found.values);
    if (auto refusal = UnpackBody(codings_, request)) return reply(*std::move(refusal));
    if (found.route != nullptr && found.route->packs_answer) reply = PackingReply(codings_, request, std::move(reply));
    if (found.route != nullptr && found.route->answer_later) {
      return found.route->answer_later(std::move(request), reply);
    }
    reply(found.route == nullptr ? ListRoutes() : found.route->answer(request));
  } catch (const std::exception& error) {
    spdlog::debug("http: {} failed: {}", request.path, error.what());
    reply({.status = 500, .body = "internal error\n"});
  }
}

Response Router::Answer(const Request& request) const {
  if (auto refusal = Refuse(request)) return *std::move(refusal);
  Response answered;
  Serve(request, [&answered](Response response) { answered = std::move(response); });
  return answered;
}

}  // namespace tensorferry::http
