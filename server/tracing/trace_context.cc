#include "tracing/trace_context.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <random>

namespace tensorferry::tracing {
namespace {

// The places of the parts in version 00: `00-TRACE_ID-SPAN_ID-FLAGS`.
constexpr std::size_t kTraceIdAt = 3;
constexpr std::size_t kSpanIdAt = 36;
constexpr std::size_t kFlagsAt = 53;
constexpr std::size_t kSize = 55;
constexpr std::uint8_t kInvalidVersion = 0xFF;
constexpr std::uint8_t kSampledFlag = 0x01;

// Returns the value of a digit, or -1. W3C's digits are lower case.
int DigitOf(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

template <std::size_t kCount>
bool ReadHex(std::string_view text, std::array<std::uint8_t, kCount>& bytes) {
  for (std::size_t i = 0; i < kCount; ++i) {
    const int high = DigitOf(text[2 * i]);
    const int low = DigitOf(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return true;
}

template <std::size_t kCount>
bool IsZero(const std::array<std::uint8_t, kCount>& bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

template <typename Id>
Id MakeId() {
  thread_local std::mt19937_64 random{[] {
    std::random_device device;
    return (std::uint64_t{device()} << 32) | device();
  }()};
  Id id{};
  while (IsZero(id)) {
    for (std::size_t at = 0; at < id.size(); at += sizeof(std::uint64_t)) {
      const std::uint64_t bits = random();
      std::memcpy(id.data() + at, &bits, sizeof(bits));
    }
  }
  return id;
}

}  // namespace

std::optional<TraceParent> ParseTraceparent(std::string_view text) {
  if (text.size() < kSize) return std::nullopt;
  if (text[kTraceIdAt - 1] != '-' || text[kSpanIdAt - 1] != '-' || text[kFlagsAt - 1] != '-') return std::nullopt;
  std::array<std::uint8_t, 1> version{};
  std::array<std::uint8_t, 1> flags{};
  TraceParent parent{};
  if (!ReadHex(text, version) || !ReadHex(text.substr(kTraceIdAt), parent.trace_id) ||
      !ReadHex(text.substr(kSpanIdAt), parent.span_id) || !ReadHex(text.substr(kFlagsAt), flags)) {
    return std::nullopt;
  }
  if (version[0] == kInvalidVersion || IsZero(parent.trace_id) || IsZero(parent.span_id)) return std::nullopt;
  if (text.size() > kSize && (version[0] == 0 || text[kSize] != '-')) return std::nullopt;
  parent.sampled = (flags[0] & kSampledFlag) != 0;
  return parent;
}

std::string FormatTraceparent(const CallTrace& trace) {
  return fmt::format("00-{}-{}-{}", Hex(trace.trace_id), Hex(trace.span_id), trace.sampled ? "01" : "00");
}

CallTrace MakeCallTrace(const std::optional<TraceParent>& parent) {
  CallTrace trace{.trace_id = {}, .span_id = MakeSpanId(), .sampled = false};
  if (parent) {
    trace.trace_id = parent->trace_id;
    trace.parent_id = parent->span_id;
  } else {
    trace.trace_id = MakeId<TraceId>();
  }
  return trace;
}

SpanId MakeSpanId() { return MakeId<SpanId>(); }

std::string Hex(const TraceId& id) { return fmt::format("{:02x}", fmt::join(id, "")); }
std::string Hex(const SpanId& id) { return fmt::format("{:02x}", fmt::join(id, "")); }

}  // namespace tensorferry::tracing
