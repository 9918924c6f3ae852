#include "events.h"

#include <nanobind/nanobind.h>

#include <chrono>

namespace tensorferry::core {

bool WaitForEvent(grpc::CompletionQueue& queue, Event& event) {
  const auto end = [] { return std::chrono::system_clock::now() + kSignalPeriod; };
  while (queue.AsyncNext(&event.tag, &event.ok, end()) == queue.TIMEOUT) {
    const nanobind::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) return false;
  }
  return true;
}

bool PollForEvent(grpc::CompletionQueue& queue, Event& event) {
  return queue.AsyncNext(&event.tag, &event.ok, gpr_inf_past(GPR_CLOCK_MONOTONIC)) == queue.GOT_EVENT;
}

}  // namespace tensorferry::core
