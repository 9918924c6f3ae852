#include "elements.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

namespace tensorferry::core {
namespace {

using Dimension = Layout::Dimension;

// Merged returns the dimensions with as few of them as say the same: without those of one element, and with neighbours
// that lie behind each other as one.
std::vector<Dimension> Merged(const std::vector<Dimension>& shape) {
  std::vector<Dimension> merged;
  for (const Dimension& dimension : shape) {
    if (dimension.size == 1) continue;
    const bool goes_on =
        !merged.empty() && merged.back().stride == dimension.stride * static_cast<std::ptrdiff_t>(dimension.size);
    if (goes_on) {
      merged.back() = {merged.back().size * dimension.size, dimension.stride};
    } else {
      merged.push_back(dimension);
    }
  }
  return merged;
}

template <std::size_t kSize>
void CopySized(std::byte* to, const std::byte* from, std::ptrdiff_t stride, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i, from += stride, to += kSize) std::memcpy(to, from, kSize);
}

void CopyStrided(std::byte* to, const std::byte* from, Dimension row, std::size_t itemsize) {
  if (row.stride == static_cast<std::ptrdiff_t>(itemsize)) {
    std::memcpy(to, from, row.size * itemsize);
    return;
  }
  switch (itemsize) {
    case 1: return CopySized<1>(to, from, row.stride, row.size);
    case 2: return CopySized<2>(to, from, row.stride, row.size);
    case 4: return CopySized<4>(to, from, row.stride, row.size);
    case 8: return CopySized<8>(to, from, row.stride, row.size);
    case 16: return CopySized<16>(to, from, row.stride, row.size);
    default:
      for (std::size_t i = 0; i < row.size; ++i, from += row.stride, to += itemsize) std::memcpy(to, from, itemsize);
  }
}

// SwapSized reverses the bytes of numbers that lie anywhere.
template <typename Number>
void SwapSized(std::span<std::byte> numbers) {
  for (std::size_t at = 0; at < numbers.size(); at += sizeof(Number)) {
    Number number;
    std::memcpy(&number, &numbers[at], sizeof(Number));
    if constexpr (sizeof(Number) == 2) number = __builtin_bswap16(number);
    if constexpr (sizeof(Number) == 4) number = __builtin_bswap32(number);
    if constexpr (sizeof(Number) == 8) number = __builtin_bswap64(number);
    std::memcpy(&numbers[at], &number, sizeof(Number));
  }
}

void Swap(std::span<std::byte> numbers, std::size_t width) {
  switch (width) {
    case 2: return SwapSized<std::uint16_t>(numbers);
    case 4: return SwapSized<std::uint32_t>(numbers);
    case 8: return SwapSized<std::uint64_t>(numbers);
    default:
      for (std::size_t at = 0; at < numbers.size(); at += width) std::ranges::reverse(numbers.subspan(at, width));
  }
}

std::size_t ByteSize(const Layout& layout) {
  std::size_t nbytes = layout.itemsize;
  for (const Dimension& dimension : layout.shape) nbytes *= dimension.size;
  return nbytes;
}

}  // namespace

ElementReader::ElementReader(Layout layout)
    : layout_(std::move(layout)), start_(layout_.data), left_(ByteSize(layout_)) {
  std::vector<Dimension> merged = Merged(layout_.shape);
  const auto item = static_cast<std::ptrdiff_t>(layout_.itemsize);
  row_ = merged.empty() ? Dimension{.size = 1, .stride = item} : merged.back();
  if (!merged.empty()) merged.pop_back();
  is_plain_ = merged.empty() && row_.stride == item && layout_.swapped == 0 && !layout_.is_bool;
  place_.resize(merged.size());
  layout_.shape = std::move(merged);
}

std::span<const std::byte> ElementReader::Take(std::size_t nbytes) {
  const std::span<const std::byte> taken(start_, nbytes);
  start_ += nbytes;
  left_ -= nbytes;
  return taken;
}

void ElementReader::Copy(std::span<std::byte> to) {
  left_ -= to.size();
  for (std::span<std::byte> rest = to; !rest.empty();) {
    const std::size_t copied = CopyRow(rest.data(), rest.size() / layout_.itemsize) * layout_.itemsize;
    rest = rest.subspan(copied);
  }
  if (layout_.swapped > 1) Swap(to, layout_.swapped);
  if (layout_.is_bool) {
    for (std::byte& value : to) value = std::byte{value != std::byte{0}};
  }
}

// CopyRow copies up to `count` elements of the row, and returns how many.
std::size_t ElementReader::CopyRow(std::byte* to, std::size_t count) {
  count = std::min(count, row_.size - column_);
  const std::byte* const from = start_ + static_cast<std::ptrdiff_t>(column_) * row_.stride;
  CopyStrided(to, from, {.size = count, .stride = row_.stride}, layout_.itemsize);
  column_ += count;
  if (column_ == row_.size) NextRow();
  return count;
}

void ElementReader::NextRow() {
  column_ = 0;
  for (std::size_t axis = place_.size(); axis-- > 0;) {
    const auto& [size, stride] = layout_.shape[axis];
    start_ += stride;
    if (++place_[axis] < size) return;
    start_ -= stride * static_cast<std::ptrdiff_t>(size);
    place_[axis] = 0;
  }
}

}  // namespace tensorferry::core
