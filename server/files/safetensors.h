// The header of a safetensors file (https://github.com/huggingface/safetensors#format): eight bytes with the length of
// a JSON object, the object, and the elements of all tensors, one after the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "payload/dtype.h"
#include "payload/shape.h"

namespace tensorferry {

// The longest header text that is read, in bytes; it is the limit of the safetensors package.
inline constexpr std::uint64_t kMaxSafetensorsHeader = 100'000'000;

// The most tensors that are read of one file.
inline constexpr std::size_t kMaxSafetensorsTensors = 65'536;

// SafetensorsTensor is what a header states of one tensor. Its elements are little-endian and in C order.
struct SafetensorsTensor {
  std::string name;
  std::string dtype;  // As the header spells it: "BF16".
  Shape shape;
  std::uint64_t begin = 0;  // The bytes [begin, end) of the file are the elements.
  std::uint64_t end = 0;
};

// Returns whether a file that begins with these bytes can only be a safetensors file: nothing else has a `{` behind
// eight bytes that are such a small number.
bool LooksLikeSafetensors(std::string_view begin);

// Reads the header of a file of `file_nbytes` bytes. `begin` holds the whole file, or at least all of its header.
//
// Returns: the tensors in the order of their elements.
// Checks:  the header is a JSON object in which no key comes twice, each tensor has exactly `dtype`, `shape` and
//          `data_offsets`, `__metadata__` maps strings to strings; the elements of all tensors fill the rest of the file
//          without gap or overlap, and each tensor has the bytes of its dtype and shape. The size of a tensor whose
//          dtype is unknown cannot be checked; DTypeOf refuses that tensor.
// Errors:  BAD_HEADER; TOO_MANY_DIMS and SIZE_OVERFLOW, as of ByteSize; SIZE_MISMATCH if elements are missing or a
//          tensor has too few or too many; TRAILING_BYTES if bytes follow the elements.
// Cost:    one pass without recursion, and memory in proportion to the header.
absl::StatusOr<std::vector<SafetensorsTensor>> ParseSafetensorsHeader(std::string_view begin,
                                                                      std::uint64_t file_nbytes);

// Returns the dtype of the tensor's elements.
// Errors: UNSUPPORTED_DTYPE for elements smaller than a byte; BAD_DTYPE for a name that safetensors does not have.
absl::StatusOr<DType> DTypeOf(const SafetensorsTensor& tensor);

}  // namespace tensorferry
