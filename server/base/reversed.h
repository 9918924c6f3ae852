#pragma once

#include <iterator>

namespace tensorferry {

// Lets a range-based for loop walk through `Range` from its last element to its first. Borrows the range.
//
// std::views::reverse does as much, but clang before 16, which make lint and make fuzz use, does not compile the views of
// libstdc++: https://github.com/llvm/llvm-project/issues/44178
template <typename Range>
class Reversed {
 public:
  explicit Reversed(Range& range) : range_(range) {}
  auto begin() const { return std::rbegin(range_); }
  auto end() const { return std::rend(range_); }

 private:
  Range& range_;
};

}  // namespace tensorferry
