#include "cli/exit_code.h"

#include "tensorferry/client/error.h"

namespace tensorferry::cli {
namespace {

int Severity(ExitCode code) {
  switch (code) {
    case ExitCode::kOk: return 0;
    case ExitCode::kUsage:
    case ExitCode::kBadInput:
    case ExitCode::kUnreachable:
    case ExitCode::kDeadline: return 1;
    case ExitCode::kRefused: return 2;
    case ExitCode::kNotEqual: return 3;
    case ExitCode::kInternal: return 4;
  }
  __builtin_unreachable();
}

}  // namespace

ExitCode ExitCodeOf(const absl::Status& failed_call) {
  if (client::IsUnreachable(failed_call)) return ExitCode::kUnreachable;
  if (absl::IsDeadlineExceeded(failed_call)) return ExitCode::kDeadline;
  const bool has_reason = !client::ToError(failed_call).reason.empty();
  if (absl::IsInternal(failed_call) && !has_reason) return ExitCode::kInternal;
  return ExitCode::kRefused;
}

ExitCode Worse(ExitCode first, ExitCode second) { return Severity(second) > Severity(first) ? second : first; }

}  // namespace tensorferry::cli
