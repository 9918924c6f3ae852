#pragma once

#include <cstddef>
#include <vector>

namespace tensorferry::rpc {

// Clears a vector that is used for one message after another. Gives back the memory that an unusual message has made
// it take, since each method has dozens of such vectors, and they outlive their calls.
template <typename Element>
void ClearAndShrink(std::vector<Element>& elements) {
  constexpr std::size_t kUsual = 64;
  if (elements.capacity() > kUsual) {
    elements = {};
  } else {
    elements.clear();
  }
}

}  // namespace tensorferry::rpc
