#include "tensorferry/client/error.h"

#include "base/status.h"
#include "lib/server_error.h"

namespace tensorferry::client {

Error ToError(const absl::Status& status) {
  Error error{.code = status.code(), .message = std::string(status.message()), .retry_after = PushbackOf(status)};
  const Failure failure = tensorferry::DescribeError(status);
  // DescribeError reads a status without a reason as INTERNAL; a true reason always comes with its own code.
  const bool has_reason = failure.message == error.message && Info(failure.reason).code == error.code;
  if (!has_reason) return error;
  error.reason = Info(failure.reason).name;
  error.metadata = failure.metadata;
  if (failure.retry_after.count() > 0) error.retry_after = failure.retry_after;
  return error;
}

bool IsUnreachable(const absl::Status& status) { return absl::IsUnavailable(status) && ToError(status).reason.empty(); }

}  // namespace tensorferry::client
