#include "files/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <tuple>

#include "base/status.h"
#include "files/safetensors_dtype.h"
#include "files/safetensors_json.h"

namespace tensorferry {
namespace {

constexpr std::size_t kLengthBytes = 8;

std::uint64_t HeaderNbytes(std::string_view begin) {
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i)
    length |= std::uint64_t{static_cast<std::uint8_t>(begin[i])} << (8 * i);
  return length;
}

// Mismatch is an error about two numbers of bytes that should be equal.
absl::Status Mismatch(Reason reason, std::string_view what, std::uint64_t expected, std::uint64_t actual) {
  return MakeError(reason, fmt::format("safetensors file: {}: expected {}, got {}", what, expected, actual),
                   {.field = "safetensors", .expected = fmt::to_string(expected), .actual = fmt::to_string(actual)});
}

absl::StatusOr<std::string_view> HeaderText(std::string_view begin) {
  if (begin.size() < kLengthBytes) {
    return Mismatch(Reason::kBadHeader, "the length of the header has too few bytes", kLengthBytes, begin.size());
  }
  const std::uint64_t length = HeaderNbytes(begin);
  if (length > kMaxSafetensorsHeader) {
    return MakeError(
        Reason::kBadHeader,
        fmt::format("safetensors header: {} bytes of text, at most {} are taken", length, kMaxSafetensorsHeader),
        {.field = "safetensors", .actual = fmt::to_string(length), .limit = fmt::to_string(kMaxSafetensorsHeader)});
  }
  const std::uint64_t available = begin.size() - kLengthBytes;
  if (available < length) return Mismatch(Reason::kBadHeader, "the header has too few bytes", length, available);
  return begin.substr(kLengthBytes, length);
}

// CheckSize compares the tensor's bytes with its dtype and shape.
absl::Status CheckSize(const SafetensorsTensor& tensor) {
  const SafetensorsDType* const dtype = FindSafetensorsDType(tensor.dtype);
  const std::uint64_t actual = tensor.end - tensor.begin;
  const auto count = ByteSize(tensor.shape, /*itemsize=*/1);
  if (!count.ok()) return InArray(tensor.name, count.status());
  if (dtype == nullptr) return absl::OkStatus();
  std::uint64_t bits = 0;
  if (__builtin_mul_overflow(std::uint64_t{*count}, dtype->bits, &bits)) {
    return InArray(tensor.name, ByteSize(tensor.shape, dtype->bits).status());
  }
  if (bits % 8 == 0 && bits / 8 == actual) return absl::OkStatus();
  const std::string what = fmt::format("bytes of tensor {} of dtype {} with shape {}", Quote(tensor.name), dtype->name,
                                       ToText(tensor.shape));
  if (bits % 8 == 0) return Mismatch(Reason::kSizeMismatch, what, bits / 8, actual);
  return MakeError(Reason::kSizeMismatch, fmt::format("safetensors file: {}: {} bits are no whole bytes", what, bits),
                   {.field = "safetensors", .actual = fmt::to_string(actual)});
}

// CheckLayout sorts the tensors by their elements, and checks that these fill `data_nbytes`.
absl::Status CheckLayout(std::vector<SafetensorsTensor>& tensors, std::uint64_t data_nbytes) {
  for (const SafetensorsTensor& tensor : tensors) {
    if (tensor.begin > tensor.end || tensor.end > data_nbytes) {
      const std::string what = fmt::format("tensor {} with data_offsets [{}, {}] in {} bytes of elements",
                                           Quote(tensor.name), tensor.begin, tensor.end, data_nbytes);
      const bool reversed = tensor.begin > tensor.end;
      return Mismatch(reversed ? Reason::kBadHeader : Reason::kSizeMismatch, what, reversed ? tensor.begin : tensor.end,
                      reversed ? tensor.end : data_nbytes);
    }
  }
  std::ranges::stable_sort(tensors, {}, [](const SafetensorsTensor& each) { return std::tuple(each.begin, each.end); });
  std::uint64_t next = 0;
  for (const SafetensorsTensor& tensor : tensors) {
    if (tensor.begin != next) {
      const std::string what = fmt::format("tensor {} does not begin where the one before it ends", Quote(tensor.name));
      return Mismatch(Reason::kBadHeader, what, next, tensor.begin);
    }
    TENSORFERRY_RETURN_IF_ERROR(CheckSize(tensor));
    next = tensor.end;
  }
  if (next == data_nbytes) return absl::OkStatus();
  return Mismatch(Reason::kTrailingBytes, "bytes of elements", next, data_nbytes);
}

}  // namespace

bool LooksLikeSafetensors(std::string_view begin) {
  return begin.size() > kLengthBytes && begin[kLengthBytes] == '{' && HeaderNbytes(begin) <= kMaxSafetensorsHeader;
}

absl::StatusOr<std::vector<SafetensorsTensor>> ParseSafetensorsHeader(std::string_view begin,
                                                                      std::uint64_t file_nbytes) {
  TENSORFERRY_ASSIGN_OR_RETURN(const std::string_view text, HeaderText(begin));
  TENSORFERRY_ASSIGN_OR_RETURN(std::vector<SafetensorsTensor> tensors, ReadSafetensorsJson(text));
  const std::uint64_t data_offset = kLengthBytes + text.size();
  TENSORFERRY_RETURN_IF_ERROR(CheckLayout(tensors, file_nbytes - data_offset));
  for (SafetensorsTensor& tensor : tensors) {
    tensor.begin += data_offset;
    tensor.end += data_offset;
  }
  return tensors;
}

absl::StatusOr<DType> DTypeOf(const SafetensorsTensor& tensor) {
  const SafetensorsDType* const row = FindSafetensorsDType(tensor.dtype);
  if (row != nullptr && row->dtype) return *row->dtype;
  const Reason reason = row == nullptr ? Reason::kBadDtype : Reason::kUnsupportedDtype;
  const std::string why = row == nullptr
                              ? "is not one of safetensors 0.8"
                              : fmt::format("has elements of {} bits, which no tensor has one by one", row->bits);
  return InArray(tensor.name, MakeError(reason, fmt::format("dtype {} {}", Quote(tensor.dtype), why),
                                        {.field = "dtype",
                                         .expected = "a dtype of safetensors with elements of whole bytes",
                                         .actual = Quote(tensor.dtype)}));
}

}  // namespace tensorferry
