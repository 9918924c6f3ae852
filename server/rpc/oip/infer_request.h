// Translates a ModelInferRequest into a request that Intake takes, and plans where its outputs go.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "rpc/call/output_place.h"
#include "rpc/call/request_check.h"
#include "rpc/call/request_view.h"
#include "rpc/oip/infer_view.h"
#include "rpc/wire/parsed_message.h"

namespace tensorferry::rpc {

// OutputPlan is one output that is not sent as the model gave it.
struct OutputPlan {
  std::string name;
  std::uint64_t classes = 0;            // Only this many of its largest elements are sent; 0: all.
  std::optional<OutputPlace> shared{};  // It is written there, and not sent.
};

// Fills `request`, which borrows `view` and what is written into `parsed.contents`: both must live as long as
// `request`. `plans` gets an entry for each output that is not sent as it is.
// Errors: INPUT_MISMATCH for inputs, parameters and a version that are not as the protocol has them; BAD_DTYPE for a
//         datatype; those of RawOfTyped and OutputPlace::Find. They name the input or output.
absl::Status Translate(const InferRequestView& view, const CallerMemory& memory, ParsedMessage& parsed,
                       RequestView& request, std::vector<OutputPlan>& plans);

}  // namespace tensorferry::rpc
