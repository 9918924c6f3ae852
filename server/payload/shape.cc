#include "payload/shape.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/status.h"

namespace tensorferry {

std::string ToText(std::span<const std::int64_t> shape) {
  constexpr std::size_t kShown = 16;
  if (shape.size() <= kShown) return fmt::format("[{}]", fmt::join(shape, ", "));
  return fmt::format("[{}, ... {} dimensions]", fmt::join(shape.first(kShown), ", "), shape.size());
}

std::uint64_t CountOf(std::span<const std::int64_t> shape) {
  if (std::ranges::find(shape, 0) != shape.end()) return 0;
  std::uint64_t count = 1;
  for (const std::int64_t dim : shape) count *= static_cast<std::uint64_t>(dim);
  return count;
}

absl::StatusOr<std::size_t> ByteSize(std::span<const std::int64_t> shape, std::size_t itemsize) {
  if (shape.size() > kMaxNdim) {
    return MakeError(Reason::kTooManyDims,
                     fmt::format("shape has {} dimensions, at most {} are taken", shape.size(), kMaxNdim),
                     {.field = "shape", .actual = fmt::to_string(shape.size()), .limit = fmt::to_string(kMaxNdim)});
  }
  if (std::ranges::any_of(shape, [](std::int64_t dim) { return dim < 0; })) {
    return MakeError(Reason::kBadShape, fmt::format("shape {} has a negative dimension", ToText(shape)),
                     {.field = "shape", .expected = "dimensions of 0 or more", .actual = ToText(shape)});
  }
  const auto overflow = [&] {
    return MakeError(Reason::kSizeOverflow,
                     fmt::format("shape {} with items of {} bytes is larger than 2^63 bytes", ToText(shape), itemsize),
                     {.field = "shape", .actual = ToText(shape), .limit = "9223372036854775807"});
  };
  std::int64_t numel = 1;  // Each 0 counts as 1: the strides of an array without elements must fit int64, too.
  for (const std::int64_t dim : shape) {
    if (__builtin_mul_overflow(numel, std::max<std::int64_t>(dim, 1), &numel)) return overflow();
  }
  if (std::ranges::count(shape, 0) > 0) return std::size_t{0};
  std::int64_t nbytes = 0;
  if (__builtin_mul_overflow(numel, static_cast<std::int64_t>(itemsize), &nbytes)) return overflow();
  return static_cast<std::size_t>(nbytes);
}

ElementStrides ContiguousStrides(std::span<const std::int64_t> shape, bool fortran_order) {
  ElementStrides strides(shape.size());
  std::int64_t stride = 1;
  const auto place = [&](std::size_t i) {
    strides[i] = stride;
    stride *= std::max<std::int64_t>(shape[i], 1);
  };
  if (fortran_order) {
    for (std::size_t i = 0; i < shape.size(); ++i) place(i);
  } else {
    for (std::size_t i = shape.size(); i-- > 0;) place(i);
  }
  return strides;
}

}  // namespace tensorferry
