#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/buffer_pool.h"
#include "inference/grpc_service.pb.h"
#include "web/counted_text.h"

namespace tensorferry::web {

// RawInput has the elements of one input that is not in shared memory.
struct RawInput {
  std::string_view sent{};            // Elements that came as bytes. Borrows the body.
  std::optional<CountedText> made{};  // Elements that came as JSON.

  std::string_view bytes() const { return made ? made->text() : sent; }
};

// OutputWishes says in which form outputs are wanted.
struct OutputWishes {
  bool binary_by_default = false;  // `binary_data_output`.
  std::vector<bool> binary;        // Whether each output that is asked for is wanted as bytes.

  // Whether no output comes as JSON.
  bool all_binary() const { return binary.empty() ? binary_by_default : std::ranges::all_of(binary, std::identity()); }
};

// InferBody is what the body of a request for inference says.
struct InferBody {
  inference::ModelInferRequest message;  // Without the elements, and without the parameters of HTTP's.
  std::vector<RawInput> raw;             // In the order of the inputs.
  OutputWishes wishes;                   // For the outputs of `message`.
};

// BodyLimits bounds what a body may become.
struct BodyLimits {
  std::uint64_t element_bytes = 0;  // Of all elements that come as JSON.
  PoolFor pool;                     // Its budget admits what the body becomes, for its peer.
};

// Reads a body, whose first `json_bytes` bytes are JSON, and what follows the elements of the inputs with
// `binary_data_size`. Borrows `body`.
// Errors: CONFLICTING_FIELDS, BAD_DTYPE, SIZE_MISMATCH, TRAILING_BYTES, BAD_HEADER for what is no JSON of this form, and
//         TENSOR_TOO_LARGE, and those of MemoryBudget::Reserve.
absl::StatusOr<InferBody> ReadInferBody(std::string_view body, std::size_t json_bytes, const BodyLimits& limits);

}  // namespace tensorferry::web
