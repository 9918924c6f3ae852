// SIGBUS is the signal that the system sends to a thread that touches a mapped file behind the file's end. Another
// process can move that end at any time.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <utility>

namespace tensorferry {

// BusErrorHandler is the process's handler of SIGBUS while it lives. It replaces pages of a WatchedMapping that are
// gone by pages of zeros. It passes every other SIGBUS to the handler that was installed before; without one the
// process ends.
//
// Lifetime: at most one exists at a time. It is constructed before a watched mapping is touched, and destroyed after
//           the last touch.
class BusErrorHandler {
 public:
  BusErrorHandler();
  BusErrorHandler(const BusErrorHandler&) = delete;
  BusErrorHandler& operator=(const BusErrorHandler&) = delete;
  ~BusErrorHandler();  // Installs the previous handler again.
};

// WatchedMapping watches the mapped pages of a file that another process may truncate: pages that are gone read as
// zeros, and take writes.
//
// Threads:  any.
// Lifetime: destroyed before the pages are unmapped.
class WatchedMapping {
 public:
  static constexpr std::size_t kMaxAtOnce = 4096;  // The most mappings that a process can watch.

  // Watches `pages`, which begin at a page boundary. Returns nothing if kMaxAtOnce mappings are watched already.
  static std::optional<WatchedMapping> Watch(std::span<const std::byte> pages);

  WatchedMapping(WatchedMapping&& other) noexcept : slot_(std::exchange(other.slot_, std::nullopt)) {}
  WatchedMapping& operator=(WatchedMapping&& other) noexcept {
    std::swap(slot_, other.slot_);
    return *this;
  }
  ~WatchedMapping();

  // Returns whether a page that was gone has been touched.
  bool truncated() const;

 private:
  explicit WatchedMapping(std::size_t slot) : slot_(slot) {}

  // slot_ is the index of this mapping's slot in the handler's table. Nothing: this object was moved from.
  std::optional<std::size_t> slot_;
};

}  // namespace tensorferry
