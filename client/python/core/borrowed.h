#pragma once

#include <nanobind/nanobind.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <tuple>

#include "chunks.h"
#include "released.h"
#include "stream.h"

namespace tensorferry::core {

// BorrowedChunks is what Python has of Chunks, and destroys. A stream that sends them has a share of its own, which its
// thread can let go of without the GIL.
struct BorrowedChunks {
  ~BorrowedChunks() {
    chunks.reset();
    TheReleased().Drain();
  }

  std::shared_ptr<Chunks> chunks;

  // Returns whether all were sent, or none is wanted any more; false as soon as there is something to read.
  bool SendOn(Stream& stream) const;

  // Next is Python's __next__.
  nanobind::bytes Next() const;

  nanobind::bytes Digest() const;
};

// DigestOrder says what the digest of chunks is taken over: the elements in the other order of dimensions or not, with
// the bytes of so many reversed, and bools as 0 and 1.
using DigestOrder = std::tuple<bool, std::size_t, bool>;

// MakeChunks borrows `memory`, an array whose elements are bytes to Python, in the order in which they travel.
// `swapped` is that of Layout, of what travels. None for `digest`: no digest is wanted.
void MakeChunks(BorrowedChunks* place, nanobind::handle memory, std::size_t limit, std::size_t swapped,
                std::optional<DigestOrder> digest);

}  // namespace tensorferry::core
