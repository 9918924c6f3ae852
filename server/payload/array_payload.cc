#include "payload/array_payload.h"

#include <algorithm>
#include <cassert>
#include <memory>

#include "base/status.h"
#include "payload/c_order.h"

namespace tensorferry {
namespace {

// Whether C order and Fortran order of this shape are the same order.
bool HasOneOrder(const Shape& shape) {
  return std::ranges::count_if(shape, [](std::int64_t dim) { return dim > 1; }) <= 1;
}

}  // namespace

absl::StatusOr<ArrayAssembler> ArrayAssembler::Start(ArrayHeader header, const Options& options, MemoryBudget& budget) {
  TENSORFERRY_ASSIGN_OR_RETURN(AlignedBuffer elements, AlignedBuffer::Allocate(header.nbytes(), budget));
  return ArrayAssembler(std::move(header), options, std::move(elements));
}

ArrayAssembler::ArrayAssembler(ArrayHeader header, const Options& options, AlignedBuffer elements)
    : header_(std::move(header)),
      elements_(std::move(elements)),
      digest_(options.digest ? std::make_unique<DigestStream>() : nullptr),
      digest_afterwards_(options.digest && header_.fortran_order() && !HasOneOrder(header_.shape())),
      copier_(header_, options.fidelity, elements_.data(), digest_afterwards_ ? nullptr : digest_.get()) {}

ArrayPayload ArrayAssembler::Finish() && {
  assert(missing() == 0);
  if (digest_afterwards_) {
    ForEachRunInCOrder(elements_.data(), header_.shape(), ContiguousStrides(header_.shape(), /*fortran_order=*/true),
                       Info(header_.dtype()).itemsize, [&](std::span<const std::byte> run) { digest_->Update(run); });
  }
  ArrayPayload payload{std::move(header_), std::move(elements_), copier_.normalized_bools(), std::nullopt};
  if (digest_ != nullptr) payload.digest = digest_->Finish();
  return payload;
}

}  // namespace tensorferry
