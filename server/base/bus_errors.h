// SIGBUS: the system sends it to a thread that touches a mapped file behind the file's end, which another process may
// have moved meanwhile.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <utility>

namespace tensorferry {

// The process's handler of SIGBUS, for as long as this lives. Pages of a WatchedMapping that are gone become pages of
// zeros. Every other SIGBUS goes to the handler that was there before; without one it ends the process, as ever.
//
// Lifetime: one at a time; there before a watched mapping is touched, and until none is touched any more.
class BusErrorHandler {
 public:
  BusErrorHandler();
  BusErrorHandler(const BusErrorHandler&) = delete;
  BusErrorHandler& operator=(const BusErrorHandler&) = delete;
  ~BusErrorHandler();  // Puts the handler back that was there before.
};

// Mapped pages of a file that another process may cut off: what is not there any more reads as zeros, and takes writes.
//
// Threads:  any.
// Lifetime: destroyed before the pages are unmapped.
class WatchedMapping {
 public:
  static constexpr std::size_t kMaxAtOnce = 4096;  // In a process.

  // `pages` begin where a page does. Nothing: kMaxAtOnce are watched.
  static std::optional<WatchedMapping> Watch(std::span<const std::byte> pages);

  WatchedMapping(WatchedMapping&& other) noexcept : slot_(std::exchange(other.slot_, std::nullopt)) {}
  WatchedMapping& operator=(WatchedMapping&& other) noexcept {
    std::swap(slot_, other.slot_);
    return *this;
  }
  ~WatchedMapping();

  // Whether a page that was gone has been touched.
  bool truncated() const;

 private:
  explicit WatchedMapping(std::size_t slot) : slot_(slot) {}

  std::optional<std::size_t> slot_;  // In the table that the handler looks at. Nothing: moved from.
};

}  // namespace tensorferry
