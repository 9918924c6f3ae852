#pragma once

#include <cstddef>
#include <string_view>

namespace tensorferry {

inline constexpr std::size_t kMaxFileNameBytes = 128;

// Returns whether `name` can only name a file in the folder in which it is looked up: it consists of letters, digits,
// '.', '_' and '-', at most kMaxFileNameBytes of them, and not of dots alone. Text from outside becomes part of a path
// only if it passes this check. Names of models must pass it, too.
bool IsPlainFileName(std::string_view name);

}  // namespace tensorferry
