#pragma once

#include <cstddef>
#include <span>

#include "absl/status/status.h"
#include "payload/array_header.h"
#include "payload/digest.h"

namespace tensorferry {

// Reverses the bytes of each word. A word has `width` bytes: 1, 2, 4 or 8. `elements` holds whole words.
void SwapBytes(std::span<std::byte> elements, std::size_t width);

// ElementCopier copies the elements of one array, whose bytes come in pieces of any size, to their final place. The
// same pass swaps bytes, normalises bools and feeds the digest: each block is worked on while it is in the first-level
// cache.
//
// Source:      any alignment; pieces may end inside an element.
// Lifetime:    borrows `destination` and `digest`, which outlive it.
class ElementCopier {
 public:
  // `destination` has header.nbytes() bytes. `digest` is null, or gets the elements in the order in which they come.
  ElementCopier(const ArrayHeader& header, Fidelity fidelity, std::byte* destination, DigestStream* digest);

  // Copies the next bytes, which are no more than missing().
  // Errors: BOOL_RANGE with kStrict. Append must not be called after an error.
  absl::Status Append(std::span<const std::byte> piece);

  std::size_t missing() const { return total_ - copied_; }  // Bytes.
  bool normalized_bools() const { return normalized_bools_; }

 private:
  absl::Status FinishElements(std::size_t end);

  std::byte* const destination_;
  DigestStream* const digest_;
  const std::size_t total_;       // Bytes.
  const std::size_t swap_width_;  // 1: no bytes are swapped.
  const bool is_bool_;
  const Fidelity fidelity_;
  std::size_t copied_ = 0;    // Bytes that were copied.
  std::size_t finished_ = 0;  // Bytes of the whole elements among them, which are swapped and part of the digest.
  bool normalized_bools_ = false;
};

}  // namespace tensorferry
