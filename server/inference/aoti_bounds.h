#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "payload/dtype.h"

namespace tensorferry::inference {

// What a package was compiled for, of one input.
struct InputBounds {
  struct Dim {
    std::int64_t min = 0;
    std::int64_t max = std::numeric_limits<std::int64_t>::max();
  };
  std::optional<DType> dtype;
  std::vector<Dim> dims;
};

// Read them from the checks in a package's generated source, which stands in it beside the compiled code. The compiled
// checks themselves come too late: they look at as many dimensions as they expect, and when they refuse an input its
// memory is never freed.
// Nothing: there are no such checks, or they are not understood.
std::optional<std::vector<InputBounds>> ReadInputBounds(std::string_view source, std::size_t inputs);

// Why a shape is not within the bounds, dimensions before `first_dim` aside; empty: it is.
std::string OutOfBounds(const InputBounds& bounds, const std::vector<std::int64_t>& shape, std::size_t first_dim);

}  // namespace tensorferry::inference
