#pragma once

#include <optional>
#include <span>
#include <utility>

#include "absl/status/statusor.h"
#include "base/buffer_pool.h"
#include "payload/array_header.h"
#include "payload/digest.h"
#include "payload/element_copy.h"

namespace tensorferry {

// One array as it arrived: a checked header and its elements, aligned, little-endian, bools 0 or 1.
// Holding an ArrayPayload is the proof that the elements are complete; nothing downstream repeats the check.
struct ArrayPayload {
  ArrayHeader header;
  AlignedBuffer elements;        // header.nbytes() bytes in the order sent: C, or Fortran as the header says.
  bool normalized_bools;         // Some were neither 0 nor 1.
  std::optional<Digest> digest;  // Of the elements in C order, if it was asked for.
};

// Collects the bytes of one array, in pieces of any size, into an ArrayPayload.
class ArrayAssembler {
 public:
  struct Options {
    Fidelity fidelity = Fidelity::kConvert;
    bool digest = false;
  };

  // Takes the memory for the whole array.
  // Errors: those of BufferPool::Take.
  static absl::StatusOr<ArrayAssembler> Start(ArrayHeader header, const Options& options, BufferPool& pool);

  ArrayAssembler(ArrayAssembler&&) = default;

  // Errors: those of ElementCopier::Append; the assembler is then of no further use.
  absl::Status Append(std::span<const std::byte> piece) { return copier_.Append(piece); }

  const ArrayHeader& header() const { return header_; }
  std::size_t missing() const { return copier_.missing(); }  // Bytes.

  // The payload, once missing() is 0.
  ArrayPayload Finish() &&;

 private:
  enum class DigestPlan : std::uint8_t { kNone, kWhileCopying, kOfAll, kOfAllInCOrder };

  ArrayAssembler(ArrayHeader header, const Options& options, AlignedBuffer elements);
  static DigestPlan PlanDigest(const ArrayHeader& header, const Options& options);
  std::optional<Digest> TakeDigest() const;

  ArrayHeader header_;
  AlignedBuffer elements_;
  DigestPlan plan_;
  std::unique_ptr<DigestStream> digest_;  // On the heap: the copier keeps its address when the assembler moves.
  ElementCopier copier_;
};

}  // namespace tensorferry
