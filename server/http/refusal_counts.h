#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tensorferry::http {

// RefusalCounts counts the answers of a port that refuse what a peer asks, by status. The statuses are a closed list, so
// that no peer can add one: Problem::status has all but 500, which is Router's.
// Threads: any.
class RefusalCounts {
 public:
  static constexpr auto kStatuses =
      std::to_array<unsigned>({400, 401, 403, 404, 405, 408, 413, 415, 421, 429, 431, 500});

  // Counts an answer, if it refuses.
  void Count(unsigned status) {
    const auto* const place = std::ranges::find(kStatuses, status);
    if (place != kStatuses.end()) counts_.at(IndexOf(place)).fetch_add(1, std::memory_order_relaxed);
  }

  // Returns how many answers had one of kStatuses.
  std::uint64_t Get(unsigned status) const {
    return counts_.at(IndexOf(std::ranges::find(kStatuses, status))).load(std::memory_order_relaxed);
  }

 private:
  static std::size_t IndexOf(const unsigned* place) { return static_cast<std::size_t>(place - kStatuses.begin()); }

  std::array<std::atomic<std::uint64_t>, kStatuses.size()> counts_{};
};

}  // namespace tensorferry::http
