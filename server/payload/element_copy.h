#pragma once

#include <cstddef>
#include <span>

#include "absl/status/status.h"
#include "payload/array_header.h"
#include "payload/digest.h"

namespace tensorferry {

// Reverse each word of `width` bytes, of which `elements` holds whole ones: 1, 2, 4 or 8.
void SwapBytes(std::span<std::byte> elements, std::size_t width);

// Copies the elements of one array, as its bytes come in pieces of any size, into their final place. Bytes are swapped,
// bools normalised and the digest fed in the same pass: each block is worked on while it is in the first-level cache.
//
// Source:      any alignment; pieces may end inside an element.
// Lifetime:    borrows `destination` and `digest`, which outlive it.
class ElementCopier {
 public:
  // `destination` holds header.nbytes() bytes. `digest`: null, or fed the elements in the order in which they come.
  ElementCopier(const ArrayHeader& header, Fidelity fidelity, std::byte* destination, DigestStream* digest);

  // Append the next bytes; no more than missing().
  // Errors: BOOL_RANGE with kStrict. Nothing may be appended after an error.
  absl::Status Append(std::span<const std::byte> piece);

  std::size_t missing() const { return total_ - copied_; }  // Bytes.
  bool normalized_bools() const { return normalized_bools_; }

 private:
  absl::Status FinishElements(std::size_t end);

  std::byte* const destination_;
  DigestStream* const digest_;
  const std::size_t total_;       // Bytes.
  const std::size_t swap_width_;  // 1: nothing to swap.
  const bool is_bool_;
  const Fidelity fidelity_;
  std::size_t copied_ = 0;    // Bytes in place.
  std::size_t finished_ = 0;  // Bytes of whole elements among them, swapped and digested.
  bool normalized_bools_ = false;
};

}  // namespace tensorferry
