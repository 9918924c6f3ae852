// What a ModelInferRequest means: a request as Intake takes it, and where its outputs go.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/shared_memory.h"
#include "rpc/call/request_view.h"
#include "rpc/oip/infer_view.h"
#include "rpc/wire/parsed_message.h"

namespace tensorferry::rpc {

// An output that does not come as it is.
struct OutputPlan {
  std::string name;
  std::uint64_t classes = 0;            // Only so many of the largest elements; 0: all.
  std::optional<SharedRange> shared{};  // Goes there instead of into the response.
};

// `request` borrows `view`, and what is written into `parsed.contents`. `plans`: empty where all outputs come as they
// are.
// Errors: INPUT_MISMATCH for inputs and parameters that are not as the protocol has them; BAD_DTYPE for a datatype;
//         those of RawOfTyped and SharedRegions::Find. They name the input or output.
absl::Status Translate(const InferRequestView& view, const SharedRegions& regions, ParsedMessage& parsed,
                       RequestView& request, std::vector<OutputPlan>& plans);

}  // namespace tensorferry::rpc
