#pragma once

#include <chrono>
#include <map>
#include <string>

#include "absl/status/status.h"

namespace tensorferry::client {

// Why a call failed, in a form to act on.
struct Error {
  absl::StatusCode code = absl::StatusCode::kUnknown;
  std::string reason;   // One of docs/errors.md; empty where nobody gave one: no connection, no time left.
  std::string message;  // For people, one line.
  std::map<std::string, std::string> metadata;  // `array`, `field`, `expected`, `actual`, `limit`, as they apply.
  std::chrono::milliseconds retry_after{0};     // 0: do not retry unchanged.
};

// Read a status that a function of this library returned.
Error ToError(const absl::Status& status);

// Whether the server could not be reached, or the connection broke: UNAVAILABLE without a reason of the server's.
bool IsUnreachable(const absl::Status& status);

}  // namespace tensorferry::client
