#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "base/buffer_pool.h"

namespace tensorferry::web {

// CountedText is text that grows while it is made, and that the memory budget admits before it takes memory. Up to
// kUncounted bytes are not counted.
class CountedText {
 public:
  static constexpr std::size_t kUncounted = 4096;

  // `beside` is the number of bytes that are held for the same request already: what does not fit beside them never
  // will. Borrows what `pool` borrows, while it makes room.
  explicit CountedText(const PoolFor& pool, std::uint64_t beside = 0) : pool_(pool), beside_(beside) {}

  // Makes room for `more` bytes behind the text.
  // Errors: those of MemoryBudget::Reserve.
  absl::Status MakeRoom(std::size_t more) {
    return text_.capacity() - text_.size() >= more ? absl::OkStatus() : Grow(text_.size() + more);
  }

  // Only as many bytes may be added as there is room for.
  std::string& text() { return text_; }
  const std::string& text() const { return text_; }

  // Gives away what the budget has admitted, for an owner who keeps the text from now on.
  MemoryBudget::Reservation TakeReservation() { return std::move(reservation_); }

 private:
  absl::Status Grow(std::size_t least) {
    const std::size_t capacity = std::max(least, 2 * text_.capacity());
    if (capacity > kUncounted) {
      // Old and new memory are there at the same time.
      const std::uint64_t together = beside_ + reservation_.nbytes() + capacity;
      auto room = pool_.Reserve(together > pool_.pool.budget().limit() ? together : capacity);
      if (!room.ok()) return room.status();
      text_.reserve(capacity);
      reservation_ = *std::move(room);
    } else {
      text_.reserve(capacity);
    }
    return absl::OkStatus();
  }

  PoolFor pool_;
  std::uint64_t beside_;
  std::string text_;
  MemoryBudget::Reservation reservation_;
};

}  // namespace tensorferry::web
