#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "payload/dtype.h"

namespace tensorferry::inference {

// What a package was compiled for, of one input.
struct InputBounds {
  struct Dim {
    std::int64_t min = 0;
    std::int64_t max = std::numeric_limits<std::int64_t>::max();
    std::string symbol = {};  // Dimensions of one symbol have one size; empty: none is known.
  };
  std::optional<DType> dtype;
  std::vector<Dim> dims;
};

// Read them from the checks in a package's generated source, which stands in it beside the compiled code. The compiled
// checks themselves come too late: they look at as many dimensions as they expect, and when they refuse an input its
// memory is never freed.
// Nothing: there are no such checks, or they are not understood.
std::optional<std::vector<InputBounds>> ReadInputBounds(std::string_view source, std::size_t inputs);

// Whether a shape is within the bounds, dimensions before `first_dim` aside.
// Errors: INPUT_MISMATCH, which calls the input `name`.
absl::Status CheckBounds(std::string_view name, const InputBounds& bounds, std::span<const std::int64_t> shape,
                         std::size_t first_dim);

}  // namespace tensorferry::inference
