#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "absl/status/statusor.h"
#include "base/buffer_pool.h"
#include "base/status.h"
#include "payload/array_header.h"
#include "payload/digest.h"
#include "payload/element_copy.h"
#include "payload/scattered_bytes.h"

namespace tensorferry {

// CopyOptions say what the copy of an array's elements does with them.
struct CopyOptions {
  Fidelity fidelity = Fidelity::kConvert;
  bool digest = false;
};

// CopiedElements is what the copy of an array's elements found.
struct CopiedElements {
  bool normalized_bools = false;  // Whether some elements were neither 0 nor 1.
  std::optional<Digest> digest;   // The digest of the elements in C order, if it was asked for.
};

// ArrayPayload is one array as it arrived: a checked header and its elements, aligned, little-endian, bools 0 or 1.
// Holding an ArrayPayload is the proof that the elements are complete; nothing downstream repeats the check.
struct ArrayPayload {
  ArrayHeader header;
  AlignedBuffer elements;  // header.nbytes() bytes in the order sent: C, or Fortran as the header says.
  CopiedElements copied;
  std::shared_ptr<std::byte> shared{};  // Not null: the caller's own memory, which is used in place of `elements`.

  const std::byte* data() const { return shared != nullptr ? shared.get() : elements.data(); }
};

// Returns the digest, in C order, of elements that lie in the header's order.
Digest DigestInCOrder(const ArrayHeader& header, const std::byte* elements);

// ElementSink copies the elements of one array, which come in pieces of any size, into the memory that it was given.
// Lifetime: borrows `destination`, which has header.nbytes() bytes.
class ElementSink {
 public:
  ElementSink(const ArrayHeader& header, const CopyOptions& options, std::byte* destination);

  // Errors: those of ElementCopier::Append; the sink is then of no further use.
  absl::Status Append(std::span<const std::byte> piece) { return copier_.Append(piece); }

  std::size_t missing() const { return copier_.missing(); }  // Bytes.

  // Call it once missing() is 0, with the header of the constructor.
  CopiedElements Finish(const ArrayHeader& header) const;

 private:
  enum class DigestPlan : std::uint8_t { kNone, kWhileCopying, kOfAll };

  static DigestPlan PlanDigest(const ArrayHeader& header, const CopyOptions& options);
  std::optional<Digest> TakeDigest(const ArrayHeader& header) const;

  const std::byte* destination_;
  DigestPlan plan_;
  std::unique_ptr<DigestStream> digest_;  // On the heap: the copier keeps its address when the sink moves.
  ElementCopier copier_;
};

// Copies all elements of an array: `elements` has header.nbytes() bytes.
// Errors: those of ElementCopier::Append.
absl::StatusOr<CopiedElements> CopyElements(const ArrayHeader& header, const CopyOptions& options,
                                            const ScatteredBytes& elements, std::byte* destination);

// Arrival says when the elements of an array come. Those that come later have memory from their first byte on, and the
// memory budget admits them in steps as they come: an array that is only announced holds neither.
enum class Arrival : std::uint8_t { kAtOnce, kLater };

// ArrayAssembler collects the bytes of one array, which come in pieces of any size, into an ArrayPayload.
class ArrayAssembler {
 public:
  // Takes the memory for the whole array if its elements come at once; else checks that there is room for it. What `pool`
  // borrows is borrowed until Finish.
  // Errors: those of BufferPool::Take.
  static absl::StatusOr<ArrayAssembler> Start(ArrayHeader header, const CopyOptions& options, const PoolFor& pool,
                                              Arrival arrival = Arrival::kAtOnce);

  ArrayAssembler(ArrayAssembler&&) = default;

  // Errors: those of ElementCopier::Append; those of BufferPool::TakeInSteps for elements that come later. The assembler
  // is then of no further use.
  absl::Status Append(std::span<const std::byte> piece) {
    if (!sink_) TENSORFERRY_RETURN_IF_ERROR(TakeMemory());
    TENSORFERRY_RETURN_IF_ERROR(elements_.Admit(header_.nbytes() - missing() + piece.size(), pool_.peer));
    return sink_->Append(piece);
  }

  const ArrayHeader& header() const { return header_; }
  std::size_t missing() const { return sink_ ? sink_->missing() : header_.nbytes(); }  // Bytes.

  // Returns the payload. Call it once missing() is 0.
  ArrayPayload Finish() &&;

 private:
  ArrayAssembler(ArrayHeader header, const CopyOptions& options, const PoolFor& pool)
      : header_(std::move(header)), options_(options), pool_(pool) {}
  absl::Status TakeMemory();
  void StartInto(AlignedBuffer elements);

  ArrayHeader header_;
  CopyOptions options_;
  PoolFor pool_;
  AlignedBuffer elements_;
  std::optional<ElementSink> sink_;  // Absent until there is memory.
};

}  // namespace tensorferry
