#pragma once

#include <utility>

namespace tensorferry {

// Relieved says of the thread on which it lives that something may hold it up for a while: another thread does its work
// meanwhile.
class Relieved {
 public:
  Relieved() : before_(std::exchange(here_, true)) {}
  Relieved(const Relieved&) = delete;
  Relieved& operator=(const Relieved&) = delete;
  ~Relieved() { here_ = before_; }

  // Returns whether one lives on the calling thread.
  static bool Here() { return here_; }

 private:
  static inline thread_local bool here_ = false;
  const bool before_;
};

}  // namespace tensorferry
