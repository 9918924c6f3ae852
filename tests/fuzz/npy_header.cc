#include "fuzz/properties.h"
#include "payload/npy.h"

namespace tensorferry::fuzz {
namespace {

constexpr PayloadLimits kLimits{.max_tensor_bytes = std::uint64_t{1} << 40};

// HasOrderOfDescr returns whether the elements of an accepted file have the byte order of its descr, whatever named
// their dtype.
bool HasOrderOfDescr(const NpyHeader& npy, const ArrayHeader& header) {
  return header.byte_swapped() == (npy.descr.starts_with('>') && Info(header.dtype()).swap_width > 1);
}

// CheckMistake says what is wrong if a header is accepted that must not be, or the reverse: the array's elements must
// end where the file does.
std::string_view CheckMistake(const NpyHeader& npy, std::string_view named_dtype, std::size_t file_nbytes,
                              Fidelity fidelity) {
  const auto accepts = [&](std::size_t nbytes) {
    return CheckNpyHeader(npy, named_dtype, nbytes, fidelity, kLimits).ok();
  };
  const auto accepted = CheckNpyHeader(npy, named_dtype, file_nbytes, fidelity, kLimits);
  if (accepted.ok() && !HasOrderOfDescr(npy, *accepted)) return "the byte order is not the descr's";
  const std::string_view dtype = named_dtype.empty() ? std::string_view(npy.descr) : named_dtype;
  const auto header = ArrayHeader::Make({dtype, npy.shape, npy.fortran_order}, fidelity, kLimits);
  if (!header.ok()) return accepts(file_nbytes) ? "an array is accepted that is none" : "";
  const std::size_t right_nbytes = npy.data_offset + header->nbytes();
  if (accepts(file_nbytes) && file_nbytes != right_nbytes) return "a file is accepted that is not of the header's size";
  if (named_dtype.empty() && !accepts(right_nbytes)) return "a file of the header's size is refused";
  if (accepts(right_nbytes + 1)) return "a byte too many is accepted";
  return header->nbytes() > 0 && accepts(right_nbytes - 1) ? "a byte too few is accepted" : "";
}

}  // namespace

std::string_view NpyHeaderMistake(std::string_view input) {
  const auto npy = ParseNpyHeader(input);
  if (ParseNpyHeader(input.substr(0, kMaxNpyHeader)).ok() != npy.ok()) return "bytes beyond the header count";
  if (!npy.ok()) return "";
  if (npy->data_offset > input.size()) return "the header ends behind the file";
  for (const Fidelity fidelity : {Fidelity::kConvert, Fidelity::kStrict}) {
    for (const std::string_view named_dtype : {"", "bfloat16", "float8_e4m3fn", "float32"}) {
      const std::string_view mistake = CheckMistake(*npy, named_dtype, input.size(), fidelity);
      if (!mistake.empty()) return mistake;
    }
  }
  return "";
}

}  // namespace tensorferry::fuzz
