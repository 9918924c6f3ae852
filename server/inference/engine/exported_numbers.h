#pragma once

#include <ATen/core/ivalue.h>

#include <cstddef>
#include <span>
#include <string_view>

namespace tensorferry::inference {

// NumberFunction is a function of Python's that an exported program calls on its symbolic numbers, such as
// `_operator.floordiv`: whole numbers, floats and bools, with Python's meaning. It takes `arity` arguments.
// Throws: c10::Error where Python raises, for arguments of other kinds, and for whole numbers beyond 64 bits.
struct NumberFunction {
  std::string_view name;
  std::size_t arity;
  c10::IValue (*call)(std::span<const c10::IValue> arguments);
};

// Returns the function of this name, or null if it is unknown.
const NumberFunction* FindNumberFunction(std::string_view name);

}  // namespace tensorferry::inference
