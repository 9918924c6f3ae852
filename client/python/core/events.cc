#include "events.h"

#include <atomic>
#include <chrono>

#include "gil.h"

namespace tensorferry::core {
namespace {

constexpr std::chrono::milliseconds kRest{1};
constexpr int kLooks = 8;

}  // namespace

Waited WaitForEvent(grpc::CompletionQueue& queue, Event& event, Clock::time_point deadline) {
  while (queue.AsyncNext(&event.tag, &event.ok, Clock::now() + kSignalPeriod) == queue.TIMEOUT) {
    if (Clock::now() - kSignalPeriod > deadline) return Waited::kLate;
    const WithGil gil;
    if (PyErr_CheckSignals() != 0) return Waited::kInterrupted;
  }
  return Waited::kEvent;
}

bool AwaitWrite(grpc::CompletionQueue& queue, Event& event) {
  return queue.AsyncNext(&event.tag, &event.ok, Clock::now() + kSignalPeriod) == queue.GOT_EVENT;
}

bool PollForEvent(grpc::CompletionQueue& queue, Event& event) {
  // gRPC handles one event of the system's at a look, for all connections of the process. Where nobody has looked for a
  // while, there may be several, and the end of a connection need not be the first.
  static std::atomic<std::chrono::steady_clock::time_point> last;
  const auto now = std::chrono::steady_clock::now();
  const bool has_rested = now - last.exchange(now) > kRest;
  for (int looks = has_rested ? kLooks : 1; looks > 0; --looks) {
    if (queue.AsyncNext(&event.tag, &event.ok, gpr_inf_past(GPR_CLOCK_MONOTONIC)) == queue.GOT_EVENT) return true;
  }
  return false;
}

}  // namespace tensorferry::core
