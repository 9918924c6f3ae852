#include "inference/serving/placement.h"

namespace tensorferry::inference {

Placement::Where Placement::Decide(std::uint64_t nbytes, Clock::time_point now, const State& state) {
  if (!IsShortEnough(nbytes, now, state)) return Where::kExecutor;
  if (!traits_.batches || state.thread_is_idle) return Where::kHere;
  if (!state.tells_idle) return meanwhile_.ExpectsOne() ? Where::kHere : Where::kExecutor;
  return in_batch_.ExpectsOne() ? Where::kHere : Where::kWhenIdle;
}

// A batching model occupies the serving thread with one run at a time, so short runs may stay here. Without batching,
// only very short runs, or callers that send one request after another.
bool Placement::IsShortEnough(std::uint64_t nbytes, Clock::time_point now, const State& state) {
  if (traits_.trivial) return true;
  if (!state.may_run_here) return false;
  // A run that is not over yet has taken long already, however short the earlier ones were.
  const bool slow_now = state.oldest_start && now - *state.oldest_start > RunTime::kLong;
  if (traits_.waits || !run_time_.IsShort(nbytes) || slow_now) return false;
  return traits_.batches || run_time_.IsVeryShort(nbytes) || meanwhile_.ExpectsOne();
}

// A caller that sends its next request while the response to the last one is on its way comes alone: such a pair counts
// neither as two requests at once nor as one.
void Placement::RecordArrival(std::size_t present, std::size_t answering) {
  if (present > 1 || answering == 0) meanwhile_.Record(present);
}

}  // namespace tensorferry::inference
