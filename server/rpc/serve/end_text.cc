#include "rpc/serve/end_text.h"

#include <fmt/format.h>

#include "base/status.h"
#include "rpc/serve/error.h"

namespace tensorferry::rpc {
namespace {

bool IsFault(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDataLoss: return true;
    default: return false;
  }
}

}  // namespace

std::string MethodText(const google::protobuf::MethodDescriptor& method) {
  return fmt::format("{}/{}", method.service()->full_name(), method.name());
}

EndText TextOfEnd(const absl::Status& status) {
  if (status.ok()) return {.code = "OK", .reason = "", .message = "", .is_fault = false};
  Failure failure = FailureForCaller(status);
  const absl::StatusCode code = Info(failure.reason).code;
  return {.code = absl::StatusCodeToString(code),
          .reason = std::string(Info(failure.reason).name),
          .message = std::move(failure.message),
          .is_fault = IsFault(code)};
}

}  // namespace tensorferry::rpc
