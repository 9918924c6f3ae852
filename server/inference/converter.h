#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/few.h"
#include "inference/result.h"
#include "payload/array_payload.h"

namespace tensorferry::inference {

struct NamedArray {
  std::string name;
  ArrayPayload payload;
};

// Makes tensors of arrays, and states what they are.
// Threads: any; conversions run on the caller's thread.
class Converter {
 public:
  virtual ~Converter() = default;

  // `return_data`: the response has the tensors' elements, too.
  // Errors: MEMORY_BUDGET.
  virtual absl::StatusOr<PipelineResponse> Convert(Few<NamedArray> arrays, bool return_data) = 0;
};

}  // namespace tensorferry::inference
