// For words that were mistyped.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace tensorferry {

// The one of `known` that is the fewest edits away from `word`: insertions, deletions and replacements of a character,
// and exchanges of two neighbours (the distance of Damerau and Levenshtein). Nothing if there are more edits than a
// third of the longer word's characters: then it is another word, and no help to whoever typed this one.
std::optional<std::string_view> Nearest(std::string_view word, const std::vector<std::string_view>& known);

}  // namespace tensorferry
