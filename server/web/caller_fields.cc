#include "web/caller_fields.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>

#include "rpc/serve/grpc_call.h"

namespace tensorferry::web {
namespace {

constexpr std::size_t kMaxTimeoutDigits = 8;

// gRPC takes no other text as the value of metadata, and would end the process.
bool IsMetadata(std::string_view text) {
  return std::ranges::all_of(text, [](char byte) { return byte >= ' ' && byte <= '~'; });
}

}  // namespace

std::optional<std::chrono::nanoseconds> ParseGrpcTimeout(std::string_view text) {
  if (text.size() < 2 || text.size() > kMaxTimeoutDigits + 1) return std::nullopt;
  std::uint32_t count = 0;
  const char* const unit = text.data() + text.size() - 1;
  if (std::from_chars(text.data(), unit, count).ptr != unit) return std::nullopt;
  switch (*unit) {
    case 'H': return std::chrono::hours(count);
    case 'M': return std::chrono::minutes(count);
    case 'S': return std::chrono::seconds(count);
    case 'm': return std::chrono::milliseconds(count);
    case 'u': return std::chrono::microseconds(count);
    case 'n': return std::chrono::nanoseconds(count);
    default: return std::nullopt;
  }
}

std::optional<std::chrono::nanoseconds> TimeoutOf(const http::Request& from) {
  const std::vector<std::string_view> timeouts = from.Values("grpc-timeout");
  const auto timeout = timeouts.size() == 1 ? ParseGrpcTimeout(timeouts.front()) : std::nullopt;
  constexpr std::chrono::nanoseconds kMost = std::chrono::hours(24 * 365);
  return timeout ? std::optional(std::min(*timeout, kMost)) : std::nullopt;
}

std::shared_ptr<rpc::LocalCaller> CallerOf(const http::Request& from, std::uint64_t held_besides) {
  auto caller = std::make_shared<rpc::LocalCaller>();
  for (const char* const key : {"authorization", "traceparent", "tracestate", "x-request-id"}) {
    for (const std::string_view value : from.Values(key)) {
      if (IsMetadata(value)) caller->metadata.emplace_back(key, value);
    }
  }
  caller->peer = from.peer;
  caller->certificate = from.certificate;
  caller->held_bytes = from.body.size() + held_besides;
  if (const auto timeout = TimeoutOf(from)) {
    caller->deadline =
        std::chrono::system_clock::now() + std::chrono::duration_cast<std::chrono::system_clock::duration>(*timeout);
  }
  return caller;
}

void AddCallerFields(const http::Request& from, grpc::ClientContext& context) {
  const std::shared_ptr<const rpc::LocalCaller> caller = CallerOf(from);
  for (const auto& [key, value] : caller->metadata) context.AddMetadata(key, value);
  if (!caller->peer.empty()) context.AddMetadata(rpc::kPeerKey, caller->peer);
  if (!caller->certificate.empty()) context.AddMetadata(rpc::kCertificateKey, caller->certificate);
  if (caller->held_bytes > 0) context.AddMetadata(rpc::kHeldKey, std::to_string(caller->held_bytes));
  if (caller->deadline != std::chrono::system_clock::time_point::max()) context.set_deadline(caller->deadline);
}

void AddTraceResponse(const rpc::LocalMetadata& metadata, http::Response& response) {
  constexpr std::string_view kField = "traceresponse";
  for (const auto& [key, value] : metadata) {
    if (key == kField) response.fields.push_back({key, value});
  }
}

}  // namespace tensorferry::web
