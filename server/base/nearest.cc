#include "base/nearest.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>

namespace tensorferry {
namespace {

std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);  // A row of the table of distances between beginnings of `a` and `b`.
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
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
