#pragma once

#include <cstddef>

namespace tensorferry::inference {

// Whether a request that waits for the leisure of its thread is likely to be joined by others. A look at a queue that turns
// out to be empty costs more than a small model's run: callers who send one request after the other are spared most of
// them.
// Threads: one at a time.
class Company {
 public:
  // How many requests ran together that were waited for.
  void Record(std::size_t requests) { alone_ = requests > 1 ? 0 : alone_ + 1; }

  // Asked for each request that could wait; now and then it says no whatever was recorded, to see what comes.
  bool IsUnlikely() { return alone_ >= kEnough && ++asked_ % kLookEvery != 0; }

 private:
  static constexpr int kEnough = 8;
  static constexpr unsigned kLookEvery = 16;

  int alone_ = 0;  // Times in a row that nobody came.
  unsigned asked_ = 0;
};

}  // namespace tensorferry::inference
