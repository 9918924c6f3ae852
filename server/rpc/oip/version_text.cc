#include "rpc/oip/version_text.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <string>
#include <system_error>

#include "base/status.h"

namespace tensorferry::rpc {
namespace {

absl::Status BadVersion(std::string_view version, const std::string& message) {
  return MakeError(Reason::kInputMismatch, message,
                   {.field = "model_version", .expected = "an integer above 0", .actual = Quote(version)});
}

}  // namespace

absl::Status CheckVersionText(std::string_view version) {
  if (version.empty()) return absl::OkStatus();
  std::int64_t number = 0;
  const char* const end = version.data() + version.size();
  const auto [parsed, error] = std::from_chars(version.data(), end, number);
  if (error != std::errc() || parsed != end) {
    // Triton puts in parentheses what the C++ library says of a text that is no number: "stol".
    return BadVersion(version, fmt::format("failed to get model version from specified version string {} (details: "
                                           "stol), version should be an integral value > 0",
                                           Quote(version)));
  }
  if (number >= 0) return absl::OkStatus();
  return BadVersion(version, fmt::format("invalid model version specified {} , version should be an integral value > 0",
                                         Quote(version)));
}

}  // namespace tensorferry::rpc
