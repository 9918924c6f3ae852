#pragma once

#include <string>

#include "base/status.h"

namespace tensorferry {

// Returns what the log says of an error: its message and, behind it, what callers do not get.
inline std::string TextForLog(const Failure& failure) {
  return failure.log_text.empty() ? failure.message : failure.message + " " + failure.log_text;
}

}  // namespace tensorferry
