#include "cli/exit_code.h"

#include "tensorferry/client/error.h"

namespace tensorferry::cli {

ExitCode ExitCodeOf(const absl::Status& failed_call) {
  if (client::IsUnreachable(failed_call)) return ExitCode::kUnreachable;
  if (absl::IsDeadlineExceeded(failed_call)) return ExitCode::kDeadline;
  const bool has_reason = !client::ToError(failed_call).reason.empty();
  if (absl::IsInternal(failed_call) && !has_reason) return ExitCode::kInternal;
  return ExitCode::kRefused;
}

}  // namespace tensorferry::cli
