#include "rpc/oip/infer_error.h"

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "rpc/oip/datatype.h"

namespace tensorferry::rpc {
namespace {

// The protocol's words for terms of ours that are no dtypes.
constexpr auto kWords = std::to_array<std::pair<std::string_view, std::string_view>>(
    {{"array", "input"}, {"arrays", "inputs"}, {"requested_outputs", "outputs"}, {"request_id", "id"}});

// Returns the protocol's word for a term of ours: its datatypes have other names, too.
std::string OipWord(std::string_view term) {
  for (const auto& [ours, theirs] : kWords) {
    if (term == ours) return std::string(theirs);
  }
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
