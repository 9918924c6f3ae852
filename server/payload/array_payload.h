#pragma once

#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "absl/status/statusor.h"
#include "base/buffer_pool.h"
#include "payload/array_header.h"
#include "payload/digest.h"
#include "payload/element_copy.h"
#include "payload/scattered_bytes.h"

namespace tensorferry {

// What is wanted of the elements on their way.
struct CopyOptions {
  Fidelity fidelity = Fidelity::kConvert;
  bool digest = false;
};

// What the copy of an array's elements found.
struct CopiedElements {
  bool normalized_bools = false;  // Some were neither 0 nor 1.
  std::optional<Digest> digest;   // The digest of the elements in C order, if it was asked for.
};

// One array as it arrived: a checked header and its elements, aligned, little-endian, bools 0 or 1.
// Holding an ArrayPayload is the proof that the elements are complete; nothing downstream repeats the check.
struct ArrayPayload {
  ArrayHeader header;
  AlignedBuffer elements;  // header.nbytes() bytes in the order sent: C, or Fortran as the header says.
  CopiedElements copied;
  std::shared_ptr<std::byte> shared{};  // Not null: memory of the caller's takes the place of `elements`.

  const std::byte* data() const { return shared != nullptr ? shared.get() : elements.data(); }
};

// DigestInCOrder takes the digest, in C order, of elements that lie in the header's order.
Digest DigestInCOrder(const ArrayHeader& header, const std::byte* elements);

// Takes the elements of one array, in pieces of any size, into memory of the caller's.
// Lifetime: borrows `destination`, header.nbytes() bytes.
class ElementSink {
 public:
  ElementSink(const ArrayHeader& header, const CopyOptions& options, std::byte* destination);

  // Errors: those of ElementCopier::Append; the sink is then of no further use.
  absl::Status Append(std::span<const std::byte> piece) { return copier_.Append(piece); }

  std::size_t missing() const { return copier_.missing(); }  // Bytes.

  // Finish is called once missing() is 0, with the header of the start.
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

// Copy elements that are all here, header.nbytes() of them.
// Errors: those of ElementCopier::Append.
absl::StatusOr<CopiedElements> CopyElements(const ArrayHeader& header, const CopyOptions& options,
                                            const ScatteredBytes& elements, std::byte* destination);

// Collects the bytes of one array, in pieces of any size, into an ArrayPayload.
class ArrayAssembler {
 public:
  // Takes the memory for the whole array.
  // Errors: those of BufferPool::Take.
  static absl::StatusOr<ArrayAssembler> Start(ArrayHeader header, const CopyOptions& options, BufferPool& pool);

  ArrayAssembler(ArrayAssembler&&) = default;

  // Errors: those of ElementCopier::Append; the assembler is then of no further use.
  absl::Status Append(std::span<const std::byte> piece) { return sink_.Append(piece); }

  const ArrayHeader& header() const { return header_; }
  std::size_t missing() const { return sink_.missing(); }  // Bytes.

  // Finish gives the payload, once missing() is 0.
  ArrayPayload Finish() &&;

 private:
  ArrayAssembler(ArrayHeader header, const CopyOptions& options, AlignedBuffer elements);

  ArrayHeader header_;
  AlignedBuffer elements_;
  ElementSink sink_;
};

}  // namespace tensorferry
