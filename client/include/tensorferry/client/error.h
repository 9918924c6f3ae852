#pragma once

#include <chrono>
#include <map>
#include <string>

#include "absl/status/status.h"

namespace tensorferry::client {

// Error says why a call failed, in a form that programs can act on.
struct Error {
  absl::StatusCode code = absl::StatusCode::kUnknown;
  std::string reason;   // A reason of docs/errors.md; empty if there is none: no connection, no time left.
  std::string message;  // For people, one line.
  std::map<std::string, std::string> metadata;  // `array`, `field`, `expected`, `actual`, `limit`, as they apply.
  // After this time the unchanged request may succeed, by the server's word or `grpc-retry-pushback-ms`. 0: it will fail
  // again.
  std::chrono::milliseconds retry_after{0};
};

// ToError reads a status that a function of this library returned.
Error ToError(const absl::Status& status);

// IsUnreachable returns whether the server could not be reached, or the connection broke: then the status is
// UNAVAILABLE, without a reason of the server's.
bool IsUnreachable(const absl::Status& status);

}  // namespace tensorferry::client
