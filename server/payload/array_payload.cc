#include "payload/array_payload.h"

#include <algorithm>
#include <cassert>
#include <memory>

#include "base/status.h"
#include "payload/c_order.h"

namespace tensorferry {
namespace {

// Bytes that are still in a core's cache after they were copied; their digest needs no state between pieces.
constexpr std::size_t kStaysInCache = 128 << 10;

// Whether C order and Fortran order of this shape are the same order.
bool HasOneOrder(const Shape& shape) {
  return std::ranges::count_if(shape, [](std::int64_t dim) { return dim > 1; }) <= 1;
}

}  // namespace

absl::StatusOr<ArrayAssembler> ArrayAssembler::Start(ArrayHeader header, const Options& options, BufferPool& pool) {
  TENSORFERRY_ASSIGN_OR_RETURN(AlignedBuffer elements, pool.Take(header.nbytes()));
  return ArrayAssembler(std::move(header), options, std::move(elements));
}

ArrayAssembler::DigestPlan ArrayAssembler::PlanDigest(const ArrayHeader& header, const Options& options) {
  if (!options.digest) return DigestPlan::kNone;
  if (header.fortran_order() && !HasOneOrder(header.shape())) return DigestPlan::kOfAllInCOrder;
  return header.nbytes() <= kStaysInCache ? DigestPlan::kOfAll : DigestPlan::kWhileCopying;
}

ArrayAssembler::ArrayAssembler(ArrayHeader header, const Options& options, AlignedBuffer elements)
    : header_(std::move(header)),
      elements_(std::move(elements)),
      plan_(PlanDigest(header_, options)),
      digest_(plan_ == DigestPlan::kWhileCopying ? std::make_unique<DigestStream>() : nullptr),
      copier_(header_, options.fidelity, elements_.data(), digest_.get()) {}

std::optional<Digest> ArrayAssembler::TakeDigest() const {
  switch (plan_) {
    case DigestPlan::kNone: return std::nullopt;
    case DigestPlan::kWhileCopying: return digest_->Finish();
    case DigestPlan::kOfAll: return DigestOf({elements_.data(), elements_.size()});
    case DigestPlan::kOfAllInCOrder: {
      DigestStream digest;
      ForEachRunInCOrder(elements_.data(), header_.shape(), ContiguousStrides(header_.shape(), /*fortran_order=*/true),
                         Info(header_.dtype()).itemsize, [&](std::span<const std::byte> run) { digest.Update(run); });
      return digest.Finish();
    }
  }
  __builtin_unreachable();
}

ArrayPayload ArrayAssembler::Finish() && {
  assert(missing() == 0);
  const std::optional<Digest> digest = TakeDigest();
  return {std::move(header_), std::move(elements_), copier_.normalized_bools(), digest};
}

}  // namespace tensorferry
