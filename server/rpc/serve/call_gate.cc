#include "rpc/serve/call_gate.h"

#include "base/status.h"

namespace tensorferry::rpc {

absl::StatusOr<CallGate::Pass> CallGate::Enter() {
  const std::lock_guard lock(mutex_);
  if (closed_) {
    return MakeError(Reason::kDraining,
                     "the server is stopping; another one, or this one once restarted, will take the request",
                     {.retry_after = std::chrono::milliseconds(1000)});
  }
  ++inside_;
  return Pass(this);
}

void CallGate::Close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

bool CallGate::WaitUntilIdle(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return idle_.wait_until(lock, deadline, [this] { return inside_ == 0; });
}

void CallGate::Leave() {
  const std::lock_guard lock(mutex_);
  if (--inside_ == 0) idle_.notify_all();
}

}  // namespace tensorferry::rpc
