// Suggestions for mistyped words.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace tensorferry {

// Returns the word of `known` that is the fewest edits away from `word`. An edit inserts, deletes or replaces one
// character, or exchanges two neighbours (the distance of Damerau and Levenshtein). Returns nothing if there are more
// edits than a third of the longer word's characters: then `word` is a different word, and the suggestion would not help.
std::optional<std::string_view> Nearest(std::string_view word, const std::vector<std::string_view>& known);

}  // namespace tensorferry
