#include "files/npy_header.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>

#include "absl/status/status.h"

namespace tensorferry {
namespace {

constexpr std::size_t kAlignment = 64;     // The elements begin at a multiple of it, so that files can be mapped.
constexpr std::size_t kGrowthDigits = 21;  // NumPy leaves room for the first dimension to grow.
constexpr std::string_view kMagicAndVersion{"\x93NUMPY\x01\x00", 8};

std::string DescrOf(DType dtype) {
  const DTypeInfo& info = Info(dtype);
  // numpy.load knows the descrs of the dtypes of torch.from_numpy alone: it refuses `<f1` and `<c4`, which ml_dtypes
  // writes.
  return info.in_from_numpy ? std::string(info.descr) : fmt::format("<V{}", info.itemsize);
}

// TupleText writes a shape as Python writes a tuple.
std::string TupleText(std::span<const std::int64_t> shape) {
  return fmt::format("({}{})", fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
}

}  // namespace

absl::StatusOr<std::string> NpyHeaderBytes(DType dtype, std::span<const std::int64_t> shape) {
  std::string text =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}", DescrOf(dtype), TupleText(shape));
  if (!shape.empty()) text.append(kGrowthDigits - fmt::to_string(shape.front()).size(), ' ');
  const std::size_t unpadded = kMagicAndVersion.size() + 2 + text.size() + 1;
  text.append(kAlignment - unpadded % kAlignment, ' ');
  text += '\n';

  if (text.size() > 0xFFFF) return absl::InvalidArgumentError("the shape is too long for a .npy header");
  std::string header(kMagicAndVersion);
  header += static_cast<char>(text.size() & 0xFF);
  header += static_cast<char>(text.size() >> 8);
  return header + text;
}

}  // namespace tensorferry
