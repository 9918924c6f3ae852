#include "tensorferry/client/verify.h"

#include <algorithm>
#include <memory>
#include <string>

#include "base/status.h"
#include "lib/elements.h"
#include "payload/c_order.h"
#include "payload/element_copy.h"

namespace tensorferry::client {
namespace {

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

Digest DigestOf(const Elements& elements) {
  const ArrayHeader& header = elements.header;
  ElementDigest digest(header);
  ForEachRunInCOrder(elements.bytes.data(), header.shape(), ContiguousStrides(header.shape(), header.fortran_order()),
                     Info(header.dtype()).itemsize, [&](std::span<const std::byte> run) { digest.Update(run); });
  return digest.Finish();
}

// Returned data is already in the form over which digests are taken.
Digest DigestOf(const std::string& data) {
  DigestStream digest;
  digest.Update(std::as_bytes(std::span(data)));
  return digest.Finish();
}

}  // namespace

absl::Status CheckArray(const Array& array, Fidelity fidelity) { return CheckElements(array, fidelity).status(); }

absl::StatusOr<Digest> LocalDigest(const Array& array) {
  TENSORFERRY_ASSIGN_OR_RETURN(const Elements elements, CheckElements(array, Fidelity::kConvert));
  return DigestOf(elements);
}

absl::StatusOr<Verdict> Verify(const Array& sent, const Tensor& received) {
  TENSORFERRY_ASSIGN_OR_RETURN(const Elements elements, CheckElements(sent, Fidelity::kConvert));
  if (!received.receipt) return Verdict{};
  const Receipt& receipt = *received.receipt;
  const Digest digest = DigestOf(elements);
  const std::string_view dtype = Info(elements.header.dtype()).name;  // NumPy and torch use one name.
  return Verdict{.dtype_equal = receipt.dtype_equal && receipt.numpy_dtype == dtype && received.dtype == dtype,
                 .shape_equal = std::ranges::equal(elements.header.shape(), received.shape),
                 .digest_equal = receipt.digest == digest && (!received.data || DigestOf(*received.data) == digest)};
}

}  // namespace tensorferry::client
