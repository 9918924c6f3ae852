#include "rpc/serve/call_gate.h"

#include <algorithm>

#include "base/status.h"

namespace tensorferry::rpc {

absl::StatusOr<CallGate::Pass> CallGate::Enter() {
  const std::lock_guard lock(mutex_);
  if (closed_) return Refuse();
  ++inside_;
  return Pass(this);
}

absl::Status CallGate::EnterAside() {
  const std::lock_guard lock(mutex_);
  return closed_to_all_ ? Refuse() : absl::OkStatus();
}

absl::Status CallGate::Refuse() {
  ++refusals_;
  was_refused_.notify_all();
  return MakeError(Reason::kDraining,
                   "the server is stopping; another one, or this one once restarted, will take the request",
                   {.retry_after = std::chrono::milliseconds(1000)});
}

int CallGate::inside() const {
  const std::lock_guard lock(mutex_);
  return inside_;
}

void CallGate::Close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

void CallGate::CloseToAll() {
  const std::lock_guard lock(mutex_);
  closed_ = closed_to_all_ = true;
}

bool CallGate::WaitUntilIdle(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return idle_.wait_until(lock, deadline, [this] { return inside_ == 0; });
}

void CallGate::WaitUntilQuiet(std::chrono::milliseconds quiet, std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  for (std::uint64_t seen = refusals_;; seen = refusals_) {
    const auto until = std::min(deadline, std::chrono::steady_clock::now() + quiet);
    if (!was_refused_.wait_until(lock, until, [&] { return refusals_ != seen; }) || until == deadline) return;
  }
}

void CallGate::Leave() {
  const std::lock_guard lock(mutex_);
  if (--inside_ == 0) idle_.notify_all();
}

}  // namespace tensorferry::rpc
