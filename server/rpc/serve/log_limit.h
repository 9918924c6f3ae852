#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/thread_annotations.h"

namespace tensorferry::rpc {

// LogLimit keeps callers from filling the log: it admits kMostInAnInterval lines of a kind, then none until the interval
// is over. What is not admitted belongs at the level debug.
// Threads: any.
class LogLimit {
 public:
  static constexpr int kMostInAnInterval = 10;
  static constexpr std::chrono::minutes kInterval{1};

  using Time = std::chrono::steady_clock::time_point;

  // Returns nothing if a line is not admitted, else how many were not since the last that was.
  std::optional<std::uint64_t> Admit(Time now = std::chrono::steady_clock::now()) {
    const MutexLock lock(mutex_);
    if (admitted_ == 0 || now - begin_ >= kInterval) {
      begin_ = now;
      admitted_ = 0;
    }
    if (admitted_ == kMostInAnInterval) {
      ++refused_;
      return std::nullopt;
    }
    ++admitted_;
    return std::exchange(refused_, 0);
  }

 private:
  Mutex mutex_;
  Time begin_ TENSORFERRY_GUARDED_BY(mutex_);
  int admitted_ TENSORFERRY_GUARDED_BY(mutex_) = 0;
  std::uint64_t refused_ TENSORFERRY_GUARDED_BY(mutex_) = 0;
};

// Returns what an admitted line ends with: how many lines of `kind` were not admitted before it, or nothing if none was.
inline std::string MoreAtDebug(std::uint64_t count, std::string_view kind) {
  if (count == 0) return "";
  return fmt::format(" ({} more since the last such {} are at debug)", count, kind);
}

}  // namespace tensorferry::rpc
