#include "debug_requests.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/reason.h"

namespace tensorferry {
namespace {

using nlohmann::ordered_json;

std::string TimeText(std::chrono::system_clock::time_point time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto rest = std::chrono::floor<std::chrono::milliseconds>(time - seconds);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
                     rest.count());
}

// Returns a duration in milliseconds, to the microsecond.
double Milliseconds(std::chrono::nanoseconds duration) {
  constexpr double kMicrosecond = 1e3;
  return std::round(static_cast<double>(duration.count()) / kMicrosecond) / kMicrosecond;
}

ordered_json JsonOf(const rpc::SeenCall& call) {
  ordered_json json = {{"time", TimeText(call.end)}, {"method", call.method}, {"peer", call.peer}};
  if (!call.request_id.empty()) json["request_id"] = call.request_id;
  if (!call.model.empty()) json["model"] = call.model;
  if (!call.model_version.empty()) json["model_version"] = call.model_version;
  if (call.reason) {
    json["reason"] = Info(*call.reason).name;
    json["message"] = call.message;
  }
  json["duration_ms"] = Milliseconds(call.duration);
  json["bytes_in"] = call.bytes_in;
  if (!call.reason) {
    json["bytes_out"] = call.bytes_out;
    json["receive_ms"] = Milliseconds(call.receive);
    json["convert_ms"] = Milliseconds(call.convert);
    json["queue_ms"] = Milliseconds(call.queue);
    json["compute_ms"] = Milliseconds(call.compute);
  }
  return json;
}

ordered_json JsonOf(const std::vector<rpc::SeenCall>& calls) {
  ordered_json list = ordered_json::array();
  for (const rpc::SeenCall& call : calls) list.push_back(JsonOf(call));
  return list;
}

std::string RecentCallsJson(const rpc::RecentCalls& calls) {
  const ordered_json page = {{"refusals", JsonOf(calls.Refusals())}, {"slowest", JsonOf(calls.Slowest())}};
  return page.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

http::Route DebugRequestsRoute(const rpc::RecentCalls& calls) {
  return {.path = "/debug/requests",
          .purpose = "the last refusals, and the slowest of the last requests",
          .roles = security::Role::kAdmin,
          .answer = [&calls](const auto&) {
            return http::Response{.content_type = std::string(http::kJsonType), .body = RecentCallsJson(calls)};
          }};
}

}  // namespace tensorferry
