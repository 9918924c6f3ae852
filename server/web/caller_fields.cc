#include "web/caller_fields.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>

#include "rpc/serve/call_metadata.h"

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

void AddCallerFields(const http::Request& from, grpc::ClientContext& context, std::uint64_t held_besides) {
  for (const char* const key : {"authorization", "traceparent", "tracestate", "x-request-id"}) {
    for (const std::string_view value : from.Values(key)) {
      if (IsMetadata(value)) context.AddMetadata(key, std::string(value));
    }
  }
  if (!from.peer.empty()) context.AddMetadata(rpc::kPeerKey, from.peer);
  if (!from.certificate.empty()) context.AddMetadata(rpc::kCertificateKey, from.certificate);
  if (const std::uint64_t held = from.body.size() + held_besides; held > 0) {
    context.AddMetadata(rpc::kHeldKey, std::to_string(held));
  }
  const std::vector<std::string_view> timeouts = from.Values("grpc-timeout");
  if (timeouts.size() != 1) return;
  constexpr std::chrono::nanoseconds kMost = std::chrono::hours(24 * 365);
  if (const auto timeout = ParseGrpcTimeout(timeouts.front())) {
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::duration_cast<std::chrono::system_clock::duration>(std::min(*timeout, kMost)));
  }
}

void AddTraceResponse(const grpc::ClientContext& context, http::Response& response) {
  constexpr const char* kField = "traceresponse";
  const auto& trailers = context.GetServerTrailingMetadata();
  if (trailers.empty()) return;
  const auto [begin, end] = trailers.equal_range(kField);
  if (begin != end) response.fields.push_back({kField, std::string(begin->second.data(), begin->second.size())});
}

}  // namespace tensorferry::web
