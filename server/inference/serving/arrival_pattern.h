#pragma once

#include <cstddef>

namespace tensorferry::inference {

// ArrivalPattern says whether it is worth looking for more requests that could run together with one that has come.
// Polling for more requests costs more than running a small model. After 8 requests in a row that came alone, only
// every 16th is checked.
// Threads: one at a time.
class ArrivalPattern {
 public:
  // Learns, for each request or each check, how many requests were there, with the one that has come.
  void Record(std::size_t requests) { alone_ = requests > 1 ? 0 : alone_ + 1; }

  // Says whether a request that comes is expected to be alone. Call it for each: every 16th answer is false.
  bool ExpectsOne() { return alone_ >= kEnough && ++asked_ % kCheckEvery != 0; }

 private:
  static constexpr int kEnough = 8;
  static constexpr unsigned kCheckEvery = 16;

  int alone_ = 0;  // Requests in a row that came alone.
  unsigned asked_ = 0;
};

}  // namespace tensorferry::inference
