// A logger whose levels are switched on and off one by one.
#pragma once

#include <spdlog/logger.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

namespace tensorferry {

// SwitchedLogger writes the lines of the levels that are on, whichever these are; spdlog's own logger has a threshold.
// Its threshold is the least severe level that is on, so that lines below that still cost nothing.
// Threads: any.
class SwitchedLogger final : public spdlog::logger {
 public:
  // Levels is a set of levels.
  using Levels = std::uint32_t;

  static constexpr Levels Only(spdlog::level::level_enum level) { return 1U << level; }
  // Returns `least` and all that is more severe: none for `off`.
  static constexpr Levels From(spdlog::level::level_enum least) { return kAll & ~(Only(least) - 1); }

  SwitchedLogger(std::string name, spdlog::sink_ptr sink, spdlog::level::level_enum least)
      : spdlog::logger(std::move(name), std::move(sink)) {
    Switch(From(least), kAll);
  }

  Levels levels() const { return levels_.load(std::memory_order_relaxed); }

  // Switches the levels of `changed` on that are in `on`, and the others of them off. The rest stay as they are.
  // Returns those that are on then.
  Levels Switch(Levels on, Levels changed) {
    const std::lock_guard lock(mutex_);
    const Levels levels = (levels_.load(std::memory_order_relaxed) & ~changed) | (on & changed);
    levels_.store(levels, std::memory_order_relaxed);
    int least = spdlog::level::trace;
    while (least < spdlog::level::off && (levels & (1U << least)) == 0) ++least;
    set_level(static_cast<spdlog::level::level_enum>(least));
    return levels;
  }

 private:
  static constexpr Levels kAll = (1U << spdlog::level::off) - 1;

  void sink_it_(const spdlog::details::log_msg& message) override {
    if ((levels() & Only(message.level)) != 0) spdlog::logger::sink_it_(message);
  }

  std::mutex mutex_;  // Held while levels_ and the threshold are set, which belong together.
  std::atomic<Levels> levels_ = 0;
};

}  // namespace tensorferry
