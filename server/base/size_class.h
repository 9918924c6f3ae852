// Size classes: the sizes in which the buffer pool takes memory. They are the powers of two and the half steps between
// them.
#pragma once

#include <bit>
#include <cstddef>

namespace tensorferry {

inline constexpr std::size_t kSmallestClass = 256;  // Bytes.

// Returns the number of the class of the smallest buffers that hold `nbytes`. The classes are 256, 384, 512, 768, 1024,
// … bytes.
constexpr std::size_t SizeClass(std::size_t nbytes) {
  if (nbytes <= kSmallestClass) return 0;
  const auto log2 = static_cast<std::size_t>(std::bit_width(nbytes - 1)) - 1;  // 2^log2 < nbytes <= 2^(log2 + 1).
  const std::size_t half_step = (std::size_t{1} << log2) / 2 * 3;
  const std::size_t doublings = log2 - static_cast<std::size_t>(std::bit_width(kSmallestClass)) + 1;
  return 2 * doublings + (nbytes <= half_step ? 1 : 2);
}

// Returns the bytes that buffers of this class hold.
constexpr std::size_t ClassCapacity(std::size_t size_class) {
  const std::size_t power = kSmallestClass << (size_class / 2);
  return size_class % 2 == 0 ? power : power / 2 * 3;
}

// The largest class holds 2^46 bytes, far beyond any machine's memory.
inline constexpr std::size_t kSizeClasses = SizeClass(std::size_t{1} << 46) + 1;

static_assert(SizeClass(ClassCapacity(7)) == 7 && SizeClass(ClassCapacity(7) + 1) == 8 &&
              SizeClass(ClassCapacity(8)) == 8 && SizeClass(ClassCapacity(8) + 1) == 9);

}  // namespace tensorferry
