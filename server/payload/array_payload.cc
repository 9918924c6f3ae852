#include "payload/array_payload.h"

#include <algorithm>
#include <cassert>
#include <memory>

#include "base/status.h"
#include "payload/c_order.h"

namespace tensorferry {
namespace {

// An array of up to this many bytes is still in a core's cache after it was copied. Its digest is taken then, which
// needs no state between pieces.
constexpr std::size_t kStaysInCache = 128 << 10;

// Returns whether C order and Fortran order are one and the same for this shape.
bool HasOneOrder(const Shape& shape) {
  return std::ranges::count_if(shape, [](std::int64_t dim) { return dim > 1; }) <= 1;
}

}  // namespace

Digest DigestInCOrder(const ArrayHeader& header, const std::byte* elements) {
  if (!header.fortran_order() || HasOneOrder(header.shape())) return DigestOf({elements, header.nbytes()});
  DigestStream digest;
  ForEachRunInCOrder(elements, header.shape(), ContiguousStrides(header.shape(), /*fortran_order=*/true),
                     Info(header.dtype()).itemsize, [&](std::span<const std::byte> run) { digest.Update(run); });
  return digest.Finish();
}

ElementSink::ElementSink(const ArrayHeader& header, const CopyOptions& options, std::byte* destination)
    : destination_(destination),
      plan_(PlanDigest(header, options)),
      digest_(plan_ == DigestPlan::kWhileCopying ? std::make_unique<DigestStream>() : nullptr),
      copier_(header, options.fidelity, destination, digest_.get()) {}

ElementSink::DigestPlan ElementSink::PlanDigest(const ArrayHeader& header, const CopyOptions& options) {
  if (!options.digest) return DigestPlan::kNone;
  const bool in_c_order = !header.fortran_order() || HasOneOrder(header.shape());
  return !in_c_order || header.nbytes() <= kStaysInCache ? DigestPlan::kOfAll : DigestPlan::kWhileCopying;
}

std::optional<Digest> ElementSink::TakeDigest(const ArrayHeader& header) const {
  switch (plan_) {
    case DigestPlan::kNone: return std::nullopt;
    case DigestPlan::kWhileCopying: return digest_->Finish();
    case DigestPlan::kOfAll: return DigestInCOrder(header, destination_);
  }
  __builtin_unreachable();
}

CopiedElements ElementSink::Finish(const ArrayHeader& header) const {
  assert(missing() == 0);
  return {.normalized_bools = copier_.normalized_bools(), .digest = TakeDigest(header)};
}

absl::StatusOr<CopiedElements> CopyElements(const ArrayHeader& header, const CopyOptions& options,
                                            const ScatteredBytes& elements, std::byte* destination) {
  ElementSink sink(header, options, destination);
  TENSORFERRY_RETURN_IF_ERROR(elements.ForEachRun([&](Bytes run) { return sink.Append(run); }));
  return sink.Finish(header);
}

absl::StatusOr<ArrayAssembler> ArrayAssembler::Start(ArrayHeader header, const CopyOptions& options,
                                                     const PoolFor& pool, Arrival arrival) {
  ArrayAssembler assembler(std::move(header), options, pool);
  const std::size_t nbytes = assembler.header_.nbytes();
  if (arrival == Arrival::kLater && nbytes > 0) {
    TENSORFERRY_RETURN_IF_ERROR(pool.CheckRoom(nbytes));
    return assembler;
  }
  TENSORFERRY_ASSIGN_OR_RETURN(AlignedBuffer elements, pool.Take(nbytes));
  assembler.StartInto(std::move(elements));
  return assembler;
}

absl::Status ArrayAssembler::TakeMemory() {
  TENSORFERRY_ASSIGN_OR_RETURN(AlignedBuffer elements, pool_.TakeInSteps(header_.nbytes()));
  StartInto(std::move(elements));
  return absl::OkStatus();
}

void ArrayAssembler::StartInto(AlignedBuffer elements) {
  elements_ = std::move(elements);
  sink_.emplace(header_, options_, elements_.data());
}

ArrayPayload ArrayAssembler::Finish() && {
  CopiedElements copied = sink_->Finish(header_);
  return {std::move(header_), std::move(elements_), std::move(copied)};
}

}  // namespace tensorferry
