// For words that were mistyped.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace tensorferry {

// Insertions, deletions and replacements of a character that make `b` from `a` (Levenshtein's distance).
std::size_t EditDistance(std::string_view a, std::string_view b);

// The one of `known`, which is not empty, that is the fewest edits away.
std::string_view Nearest(std::string_view word, const std::vector<std::string_view>& known);

}  // namespace tensorferry
