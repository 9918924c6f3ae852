#pragma once

#include <cstddef>

namespace tensorferry::inference {

// Whether a request is likely to be joined by others before it is answered. To look whether any are there costs more than
// a small model's run: callers who send one request after the other are spared most of the looks.
// Threads: one at a time.
class Company {
 public:
  // Once for each request, or for each look: how many were there.
  void Record(std::size_t requests) { alone_ = requests > 1 ? 0 : alone_ + 1; }

  // Asked for each request; now and then it says no whatever was recorded, to see what comes.
  bool IsUnlikely() { return alone_ >= kEnough && ++asked_ % kLookEvery != 0; }

 private:
  static constexpr int kEnough = 8;
  static constexpr unsigned kLookEvery = 16;

  int alone_ = 0;  // Times in a row that nobody came.
  unsigned asked_ = 0;
};

}  // namespace tensorferry::inference
