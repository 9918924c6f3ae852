#include "payload/c_order.h"

#include <gmock/gmock.h>

#include "testing/arrays.h"

namespace tensorferry {
namespace {

std::vector<std::byte> Collected(std::span<const std::byte> data, const Shape& shape, const ElementStrides& strides,
                                 std::size_t itemsize) {
  std::vector<std::byte> result;
  ForEachRunInCOrder(data.data(), shape, strides, itemsize,
                     [&](std::span<const std::byte> run) { result.insert(result.end(), run.begin(), run.end()); });
  return result;
}

// ByIndex reads one element at a time by its index, which is slow and plain.
std::vector<std::byte> ByIndex(std::span<const std::byte> data, const Shape& shape, const ElementStrides& strides,
                               std::size_t itemsize) {
  std::int64_t numel = 1;
  for (const std::int64_t dim : shape) numel *= dim;
  std::vector<std::byte> result;
  for (std::int64_t n = 0; n < numel; ++n) {
    std::int64_t rest = n;
    std::int64_t offset = 0;
    for (std::size_t i = shape.size(); i-- > 0;) {
      offset += rest % shape[i] * strides[i];
      rest /= shape[i];
    }
    const auto element = data.subspan(static_cast<std::size_t>(offset) * itemsize, itemsize);
    result.insert(result.end(), element.begin(), element.end());
  }
  return result;
}

TEST(ForEachRunInCOrder, VisitsEveryLayoutAsIndexingDoes) {
  const std::vector<Shape> shapes = {{},        {1},    {7},          {3, 5},      {5, 1, 3},        {2, 3, 4, 5},
                                     {1, 1, 1}, {0, 4}, {130'000, 3}, {3, 70'000}, {2, 3, 1, 40'000}};
  for (const Shape& shape : shapes) {
    for (const std::size_t itemsize : {1u, 2u, 4u, 8u, 16u}) {
      std::size_t numel = 1;
      for (const std::int64_t dim : shape) numel *= static_cast<std::size_t>(dim);
      const auto data = RandomBytes(numel * itemsize);
      for (const bool fortran_order : {false, true}) {
        const ElementStrides strides = ContiguousStrides(shape, fortran_order);
        EXPECT_EQ(Collected(data, shape, strides, itemsize), ByIndex(data, shape, strides, itemsize))
            << ToText(shape) << " itemsize " << itemsize << " fortran " << fortran_order;
      }
    }
  }
}

TEST(ForEachRunInCOrder, VisitsArraysWithGapsAndRepeats) {
  const auto data = RandomBytes(1000 * 4);
  const Shape shape = {4, 3, 5};
  for (const ElementStrides& strides : {ElementStrides{100, 10, 2}, ElementStrides{0, 5, 1}, ElementStrides{15, 5, 1},
                                        ElementStrides{1, 20, 4}, ElementStrides{200, 5, 1}}) {
    EXPECT_EQ(Collected(data, shape, strides, 4), ByIndex(data, shape, strides, 4)) << ToText(strides);
  }
}

}  // namespace
}  // namespace tensorferry
