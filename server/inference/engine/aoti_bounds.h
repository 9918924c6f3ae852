#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "inference/model_info.h"
#include "payload/dtype.h"

namespace tensorferry::inference {

// InputBounds say for which dtype and shapes of one input a package was compiled.
struct InputBounds {
  struct Dim {
    std::int64_t min = 0;
    std::int64_t max = std::numeric_limits<std::int64_t>::max();
    std::string symbol = {};  // Dimensions that have the same symbol have the same size; empty: no symbol is known.
    std::string stride = {};  // In elements, an expression of symbols (dim_expression.h); empty: none is known.
  };
  std::optional<DType> dtype;
  std::vector<Dim> dims;
  std::string_view made = "the package was compiled";  // What set the bounds, for messages. Lives in static storage.
};

// Reads the bounds of a package's inputs from the checks in its generated source, which lies in the package beside the
// compiled code. The compiled checks themselves come too late: they look at as many dimensions as they expect, and if
// they refuse an input its memory is never freed (https://github.com/pytorch/pytorch/pull/189503).
// Returns nothing if there are no such checks, or if they are not understood.
std::optional<std::vector<InputBounds>> ReadInputBounds(std::string_view source, std::size_t inputs);

// Checks that a shape is within the bounds, from dimension `first_dim` on.
// Errors: INPUT_MISMATCH, with `name` as the name of the input.
absl::Status CheckBounds(std::string_view name, const InputBounds& bounds, std::span<const std::int64_t> shape,
                         std::size_t first_dim);

// Checks that what a configuration or metadata say of an input fits its bounds. If they say nothing, callers see the
// bounds. `max_batch_size` is 0 where the first dimension is not that of a batch. Errors: MODEL_NOT_READY.
absl::Status ApplyBounds(const InputBounds& bounds, std::int64_t max_batch_size, TensorSpec& spec);

}  // namespace tensorferry::inference
