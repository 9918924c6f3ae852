#pragma once

#include <string_view>
#include <vector>

namespace tensorferry::config {

// The one of `valid`, which is not empty, that takes the fewest insertions, deletions and replacements of a character
// to make from `name`.
std::string_view Nearest(std::string_view name, const std::vector<std::string_view>& valid);

}  // namespace tensorferry::config
