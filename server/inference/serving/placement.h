#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "inference/model_run.h"
#include "inference/serving/arrival_pattern.h"
#include "inference/serving/run_time.h"

namespace tensorferry::inference {

// Placement decides on which thread a model runs: on the one that serves the call, if its runs have been short, or on
// an executor's own. It learns from the runs and arrivals that it is told of, and knows no threads, locks or clocks.
// Threads: one at a time.
class Placement {
 public:
  // What is known of the model before its first run.
  struct Traits {
    bool batches = false;  // Requests may run together.
    bool waits = false;    // Its configuration sets a delay, for which it waits for more requests.
    bool trivial = false;  // A run takes no time to speak of.
  };

  enum class Where : std::uint8_t {
    kHere,      // On the thread that asks.
    kWhenIdle,  // On the thread that asks, as soon as it has nothing else to do: requests that come until then join.
    kExecutor,  // On an executor's own thread.
  };

  struct State {
    std::optional<Clock::time_point> oldest_start;  // When the oldest of the runs that go on now began.
    bool thread_is_idle = false;                    // The thread that asks has nothing else to do.
  };

  explicit Placement(const Traits& traits) : traits_(traits) {}

  // Says where the next run goes, whose inputs have `nbytes` bytes.
  Where Decide(std::uint64_t nbytes, Clock::time_point now, const State& state);

  // Learns what a run took whose inputs had `nbytes` bytes.
  void RecordRun(std::uint64_t nbytes, std::chrono::nanoseconds took) { run_time_.Record(nbytes, took); }

  // Learns that a request has come. `present` counts the requests that wait or run, with this one; `answering` counts
  // the executors whose run is over, while its callers are being answered.
  void RecordArrival(std::size_t present, std::size_t answering);

  // Learns how many requests that run together were found by a thread that had become idle.
  void RecordBatch(std::size_t requests) { in_batch_.Record(requests); }

  // Returns what the next run takes at least; 0 if too few runs are known.
  std::chrono::nanoseconds expected() const { return run_time_.expected(); }

 private:
  bool IsShortEnough(std::uint64_t nbytes, Clock::time_point now, const State& state);

  const Traits traits_;
  RunTime run_time_;
  ArrivalPattern in_batch_;   // How many requests a thread finds once it is idle.
  ArrivalPattern meanwhile_;  // How many requests wait or run when one comes.
};

}  // namespace tensorferry::inference
