#include "base/nearest.h"

#include <algorithm>
#include <cstddef>

namespace tensorferry {
namespace {

// Insertions, deletions and replacements of a character, and exchanges of two neighbours, that make `b` from `a`.
std::size_t EditDistance(std::string_view a, std::string_view b) {
  // distance[i][j]: from the first i characters of `a` to the first j of `b`.
  std::vector<std::vector<std::size_t>> distance(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) distance[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) distance[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = distance[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      distance[i][j] = std::min({replaced, distance[i - 1][j] + 1, distance[i][j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        distance[i][j] = std::min(distance[i][j], distance[i - 2][j - 2] + 1);
      }
    }
  }
  return distance[a.size()][b.size()];
}

}  // namespace

std::optional<std::string_view> Nearest(std::string_view word, const std::vector<std::string_view>& known) {
  const auto nearest =
      std::ranges::min_element(known, {}, [&](std::string_view other) { return EditDistance(word, other); });
  if (nearest == known.end() || EditDistance(word, *nearest) * 3 > std::max(word.size(), nearest->size())) {
    return std::nullopt;
  }
  return *nearest;
}

}  // namespace tensorferry
