#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "inference/model_run.h"
#include "inference/serving/arrival_pattern.h"
#include "inference/serving/run_time.h"

namespace tensorferry::inference {

// Placement decides on which thread a model runs: on the thread that serves the call, if the model's runs have been
// short, or on an executor's own thread. It learns from the runs and arrivals that ServedModel records, and knows no
// threads, locks or clocks.
// Threads: one at a time.
class Placement {
 public:
  // Traits are what is known of the model before its first run.
  struct Traits {
    bool batches = false;  // Requests may run together.
    // The model's configuration sets a delay, for which the model waits for more requests: a thread that serves calls
    // must not wait for so long.
    bool waits = false;
    bool trivial = false;  // A run takes no time to speak of.
  };

  enum class Where : std::uint8_t {
    kHere,  // The model runs on the thread that calls Decide.
    // The model runs on the thread that calls Decide, once that thread is idle: requests that come until then join.
    kWhenIdle,
    kExecutor,  // The model runs on an executor's own thread.
  };

  struct State {
    std::optional<Clock::time_point> oldest_start;  // The time at which the oldest of the present runs began.
    bool thread_is_idle = false;                    // The thread that calls Decide has nothing else to do.
    bool may_run_here = true;                       // Those of ModelRun.
    bool tells_idle = true;
  };

  explicit Placement(const Traits& traits) : traits_(traits) {}

  // Returns on which thread the next run goes. Its inputs have `nbytes` bytes.
  Where Decide(std::uint64_t nbytes, Clock::time_point now, const State& state);

  // Records that a run took `took`. Its inputs had `nbytes` bytes.
  void RecordRun(std::uint64_t nbytes, std::chrono::nanoseconds took) { run_time_.Record(nbytes, took); }

  // Records that a request has come. `present` counts the requests that wait or run, with this one. `answering` counts
  // the executors whose run is over, but whose callers still get their responses.
  void RecordArrival(std::size_t present, std::size_t answering);

  // Records that a thread, once it was idle, found `requests` requests that run together.
  void RecordBatch(std::size_t requests) { in_batch_.Record(requests); }

  // Returns the time that the next run takes at least; 0 if too few runs are known.
  std::chrono::nanoseconds expected() const { return run_time_.expected(); }

 private:
  bool IsShortEnough(std::uint64_t nbytes, Clock::time_point now, const State& state);

  const Traits traits_;
  RunTime run_time_;
  ArrivalPattern in_batch_;   // Counts the requests that a thread finds once it is idle.
  ArrivalPattern meanwhile_;  // Counts the requests that wait or run when a request comes.
};

}  // namespace tensorferry::inference
