#include "rpc/oip/infer_error.h"

#include <string>

#include "base/status.h"
#include "rpc/oip/datatype.h"

namespace tensorferry::rpc {
namespace {

// Returns the protocol's word for a term of ours: its datatypes have other names, and its arrays are inputs.
std::string OipWord(std::string_view term) {
  if (term == "array") return "input";
  const std::string_view datatype = OipNameOf(term);
  return std::string(datatype.empty() ? term : datatype);
}

// Returns the message of `error`. Foreign programs look for some of Triton's words in it.
std::string OipMessage(const absl::Status& error) {
  const std::string message = Reworded(error, OipWord);
  return DescribeError(error).reason == Reason::kModelNotFound ? "Request for unknown model: " + message : message;
}

}  // namespace

absl::Status InferError(const absl::Status& error) { return WithMessage(OipMessage(error), error); }

}  // namespace tensorferry::rpc
