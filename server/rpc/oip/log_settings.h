#pragma once

#include "absl/status/status.h"
#include "rpc/triton_config/triton_namespace.h"

namespace inference {
class LogSettingsRequest;
class LogSettingsResponse;
}  // namespace inference

namespace tensorferry::rpc {

// Changes which lines are logged, and fills `response` with the settings. Each setting switches levels of its own, and
// one that the request does not name stays as it is. spdlog's default logger must be a SwitchedLogger.
// Errors: INPUT_MISMATCH for unknown settings and values; OPERATOR_UNSUPPORTED for log_file. Nothing is changed then.
absl::Status ChangeLogSettings(const triton::LogSettingsRequest& request, triton::LogSettingsResponse& response);

}  // namespace tensorferry::rpc
