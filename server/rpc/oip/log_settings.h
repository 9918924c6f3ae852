#pragma once

#include "absl/status/status.h"
#include "rpc/triton_config/triton_namespace.h"

namespace inference {
class LogSettingsRequest;
class LogSettingsResponse;
}  // namespace inference

namespace tensorferry::rpc {

// Change which lines are logged, and say which are. The settings are a threshold: who leaves out errors leaves out
// warnings, too.
// Errors: INPUT_MISMATCH for settings and values that there are not, and nothing is changed then; OPERATOR_UNSUPPORTED
//         for log_file.
absl::Status ChangeLogSettings(const triton::LogSettingsRequest& request, triton::LogSettingsResponse& response);

}  // namespace tensorferry::rpc
