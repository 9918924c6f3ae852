#pragma once

#include <cstddef>

namespace tensorferry {

// The memory budget does not count what the answer to a request takes up to this number of bytes, so that a small answer
// costs no more than before. A connection has at most 1,000 calls at once, which take several times as much themselves.
inline constexpr std::size_t kUncountedAnswerBytes = 4096;

}  // namespace tensorferry
