#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/few.h"
#include "base/memory_peer.h"
#include "inference/result.h"
#include "payload/array_payload.h"

namespace tensorferry::inference {

struct NamedArray {
  std::string name;
  ArrayPayload payload;
};

// Converter makes tensors of arrays, and says in receipts what became of each array.
// Threads: any; conversions run on the caller's thread.
class Converter {
 public:
  virtual ~Converter() = default;

  // Makes a tensor of each array. If `return_data` is true, the response also has the elements of the tensors; memory
  // for those that are copied is counted for `peer`. Null: for nobody in particular.
  // Errors: MEMORY_BUDGET.
  virtual absl::StatusOr<PipelineResponse> Convert(Few<NamedArray> arrays, bool return_data,
                                                   const MemoryPeer* peer) = 0;
};

}  // namespace tensorferry::inference
