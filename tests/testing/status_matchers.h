#pragma once

#include <gmock/gmock.h>

#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/status.h"

namespace tensorferry {

inline void PrintTo(Reason reason, std::ostream* out) { *out << Info(reason).name; }

namespace testing_internal {
inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}
}  // namespace testing_internal

MATCHER(IsOk, "is OK") {
  const absl::Status& status = testing_internal::StatusOf(arg);
  *result_listener << status.ToString();
  return status.ok();
}

MATCHER_P2(Fails, reason, message, "") {
  const absl::Status& status = testing_internal::StatusOf(arg);
  *result_listener << status.ToString();
  if (status.ok()) return false;
  const Failure failure = DescribeError(status);
  return failure.reason == reason && ::testing::ExplainMatchResult(message, failure.message, result_listener);
}

MATCHER_P(Fails, reason, "") {
  return ::testing::ExplainMatchResult(Fails(reason, ::testing::_), arg, result_listener);
}

}  // namespace tensorferry
