#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "base/status.h"

namespace tensorferry {

using Bytes = std::span<const std::byte>;

// ScatteredBytes are bytes of a message that lie in one piece of it, or go on from one piece to the next.
// Lifetime: borrows the list of pieces and the pieces.
class ScatteredBytes {
 public:
  ScatteredBytes() = default;

  // Refers to `nbytes` bytes, from `offset` of `*piece` on. That piece and those after it have so many.
  ScatteredBytes(const Bytes* piece, std::size_t offset, std::size_t nbytes)
      : piece_(piece), offset_(offset), nbytes_(nbytes) {}

  std::size_t size() const { return nbytes_; }

  // Calls `visit` with each run of bytes, in order. Stops at the first error that `visit` returns, and returns it.
  template <typename Visit>
  absl::Status ForEachRun(Visit&& visit) const {
    const Bytes* piece = piece_;
    std::size_t offset = offset_;
    for (std::size_t left = nbytes_; left > 0; ++piece, offset = 0) {
      const Bytes run = piece->subspan(offset, std::min(left, piece->size() - offset));
      left -= run.size();
      if (!run.empty()) TENSORFERRY_RETURN_IF_ERROR(visit(run));
    }
    return absl::OkStatus();
  }

  // Returns the bytes after the first `count`.
  ScatteredBytes Skip(std::size_t count) const {
    ScatteredBytes rest = *this;
    rest.nbytes_ -= count;
    while (rest.nbytes_ > 0 && rest.piece_->size() - rest.offset_ <= count) {
      count -= rest.piece_->size() - rest.offset_;
      rest.offset_ = 0;
      ++rest.piece_;
    }
    rest.offset_ += count;
    return rest;
  }

  // Copies the first `count` bytes, or all if there are fewer.
  std::string First(std::size_t count) const {
    std::string text;
    const ScatteredBytes head(piece_, offset_, std::min(count, nbytes_));
    text.reserve(head.size());
    head.ForEachRun([&](Bytes run) {
          text.append(reinterpret_cast<const char*>(run.data()), run.size());
          return absl::OkStatus();
        })
        .IgnoreError();
    return text;
  }

  // Returns whether both hold the same bytes, wherever these lie. Copies both.
  bool operator==(const ScatteredBytes& other) const {
    return size() == other.size() && First(size()) == other.First(size());
  }

 private:
  const Bytes* piece_ = nullptr;
  std::size_t offset_ = 0;
  std::size_t nbytes_ = 0;
};

}  // namespace tensorferry
