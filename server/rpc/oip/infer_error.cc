#include "rpc/oip/infer_error.h"

#include <string>

#include "base/status.h"
#include "rpc/end_of_call.h"

namespace tensorferry::rpc {
namespace {

// Foreign programs look for some of Triton's words, and its arrays are inputs.
std::string InTheirWords(const Failure& failure, const std::string& message) {
  constexpr std::string_view kArray = "array '";
  if (failure.reason == Reason::kModelNotFound) return "Request for unknown model: " + message;
  if (message.starts_with(kArray)) return "input '" + message.substr(kArray.size());
  return message;
}

}  // namespace

grpc::Status InferEndOf(std::string_view method, const absl::Status& status) {
  const grpc::Status end = EndOf(method, status);
  if (end.ok()) return end;
  return {end.error_code(), InTheirWords(DescribeError(status), end.error_message()), end.error_details()};
}

}  // namespace tensorferry::rpc
