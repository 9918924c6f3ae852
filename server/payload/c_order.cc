#include "payload/c_order.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <vector>

namespace tensorferry {
namespace {

constexpr std::size_t kScratch = std::size_t{256} << 10;

struct Item16 {
  std::byte bytes[16];
};

// Copies `count` elements that lie `stride` elements apart into consecutive places.
template <typename Item>
void GatherItems(const std::byte* source, std::int64_t stride, std::size_t count, std::byte* destination) {
  const auto step = static_cast<std::size_t>(stride) * sizeof(Item);
  for (std::size_t i = 0; i < count; ++i) std::memcpy(destination + i * sizeof(Item), source + i * step, sizeof(Item));
}

void Gather(const std::byte* source, std::int64_t stride, std::size_t count, std::size_t itemsize,
            std::byte* destination) {
  switch (itemsize) {
    case 1: return GatherItems<std::uint8_t>(source, stride, count, destination);
    case 2: return GatherItems<std::uint16_t>(source, stride, count, destination);
    case 4: return GatherItems<std::uint32_t>(source, stride, count, destination);
    case 8: return GatherItems<std::uint64_t>(source, stride, count, destination);
    case 16: return GatherItems<Item16>(source, stride, count, destination);
    default: assert(false && "dtypes have items of 1, 2, 4, 8 or 16 bytes");
  }
}

// Steps `index` to the next row of the outer dimensions. Returns false after the last row.
bool NextRow(std::span<std::int64_t> index, std::span<const std::int64_t> shape) {
  for (std::size_t i = index.size(); i-- > 0;) {
    if (++index[i] < shape[i]) return true;
    index[i] = 0;
  }
  return false;
}

}  // namespace

void ForEachRunInCOrder(const std::byte* data, std::span<const std::int64_t> shape,
                        std::span<const std::int64_t> strides, std::size_t itemsize,
                        const std::function<void(std::span<const std::byte>)>& visit) {
  if (std::ranges::count(shape, 0) > 0) return;

  // The inner dimensions without gaps form runs of `run` elements each. `outer` counts the dimensions before them.
  std::size_t outer = shape.size();
  std::int64_t run = 1;
  while (outer > 0 && (shape[outer - 1] == 1 || strides[outer - 1] == run)) run *= shape[--outer];
  const auto run_nbytes = static_cast<std::size_t>(run) * itemsize;
  if (outer == 0) return visit({data, run_nbytes});

  // The innermost dimension with gaps is gathered into scratch memory only if its runs have one element: for longer
  // runs the copy is not worth it.
  std::vector<std::int64_t> index(outer, 0);
  const std::size_t rows = outer - 1;
  const auto row_length = static_cast<std::size_t>(shape[rows]);
  const std::int64_t row_stride = strides[rows];
  std::vector<std::byte> scratch(run == 1 ? std::min(kScratch, row_length * itemsize) : 0);
  const std::span<std::int64_t> row(index.data(), rows);
  do {
    std::int64_t offset = 0;
    for (std::size_t i = 0; i < rows; ++i) offset += row[i] * strides[i];
    const std::byte* source = data + static_cast<std::size_t>(offset) * itemsize;
    const std::size_t step = static_cast<std::size_t>(row_stride) * itemsize;
    if (run > 1) {
      for (std::size_t i = 0; i < row_length; ++i) visit({source + i * step, run_nbytes});
      continue;
    }
    for (std::size_t i = 0; i < row_length;) {
      const std::size_t count = std::min(row_length - i, scratch.size() / itemsize);
      Gather(source + i * step, row_stride, count, itemsize, scratch.data());
      visit({scratch.data(), count * itemsize});
      i += count;
    }
  } while (NextRow(row, shape));
}

}  // namespace tensorferry
