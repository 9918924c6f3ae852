#pragma once

#include <cstddef>
#include <string_view>

namespace tensorferry {

inline constexpr std::size_t kMaxFileNameBytes = 128;

// Whether `name` names a file in the folder that it is looked for in, and nothing elsewhere: letters, digits, '.', '_'
// and '-', at most kMaxFileNameBytes of them, and not dots alone. Text from outside becomes part of a path only if it is
// one; models have such names.
bool IsPlainFileName(std::string_view name);

}  // namespace tensorferry
