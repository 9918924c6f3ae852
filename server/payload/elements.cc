#include "payload/elements.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>

#include "base/status.h"
#include "payload/c_order.h"
#include "payload/element_copy.h"
#include "payload/npy.h"

namespace tensorferry {
namespace {

constexpr PayloadLimits kNoLimits{.max_tensor_bytes = std::numeric_limits<std::uint64_t>::max()};
constexpr std::size_t kScratch = std::size_t{256} << 10;  // Bytes; a multiple of every itemsize.

// ElementDigest feeds elements to a digest in the form in which the server's tensor holds them.
class ElementDigest {
 public:
  explicit ElementDigest(const ArrayHeader& header)
      : header_(header),
        as_sent_(!header.byte_swapped() && header.dtype() != DType::kBool),
        scratch_(as_sent_ ? nullptr : std::make_unique<std::byte[]>(kScratch)) {}

  // `run` holds the next elements in C order, and no part of an element.
  void Update(std::span<const std::byte> run) {
    if (as_sent_) return digest_.Update(run);
    while (!run.empty()) {
      const auto piece = run.first(std::min(run.size(), kScratch));
      Normalize(piece);
      digest_.Update({scratch_.get(), piece.size()});
      run = run.subspan(piece.size());
    }
  }

  Digest Finish() const { return digest_.Finish(); }

 private:
  // Normalize copies `piece` into scratch_ with the server's own copier, as if it were an array of its own.
  void Normalize(std::span<const std::byte> piece) {
    const auto count = static_cast<std::int64_t>(piece.size() / Info(header_.dtype()).itemsize);
    const SourceDType source{header_.dtype(), header_.byte_swapped()};
    const auto header = ArrayHeader::Make({header_.source_dtype(), {&count, 1}}, source, {kScratch});
    ElementCopier copier(*header, Fidelity::kConvert, scratch_.get(), nullptr);
    copier.Append(piece).IgnoreError();  // kConvert refuses nothing.
  }

  const ArrayHeader& header_;
  const bool as_sent_;  // Neither byte order nor values change.
  const std::unique_ptr<std::byte[]> scratch_;
  DigestStream digest_;
};

}  // namespace

absl::StatusOr<Elements> CheckElements(const ArrayDeclaration& declaration, std::span<const std::byte> bytes,
                                       Fidelity fidelity) {
  TENSORFERRY_ASSIGN_OR_RETURN(ArrayHeader header, ArrayHeader::Make(declaration, fidelity, kNoLimits));
  TENSORFERRY_RETURN_IF_ERROR(header.CheckNbytes(bytes.size()));
  return Elements{std::move(header), bytes};
}

absl::StatusOr<Elements> CheckNpyElements(std::span<const std::byte> file, std::string_view named_dtype,
                                          Fidelity fidelity) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  TENSORFERRY_ASSIGN_OR_RETURN(const NpyHeader npy, ParseNpyHeader(text));
  TENSORFERRY_ASSIGN_OR_RETURN(ArrayHeader header, CheckNpyHeader(npy, named_dtype, file.size(), fidelity, kNoLimits));
  return Elements{std::move(header), file.subspan(npy.data_offset)};
}

Digest DigestOf(const Elements& elements) {
  const ArrayHeader& header = elements.header;
  ElementDigest digest(header);
  ForEachRunInCOrder(elements.bytes.data(), header.shape(), ContiguousStrides(header.shape(), header.fortran_order()),
                     Info(header.dtype()).itemsize, [&](std::span<const std::byte> run) { digest.Update(run); });
  return digest.Finish();
}

}  // namespace tensorferry
