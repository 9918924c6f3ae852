#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <utility>

#include "absl/status/statusor.h"

namespace tensorferry::rpc {

// CallGate counts the requests that are being worked on, so that a stopping server can refuse new requests and wait for
// these.
// Threads:  any.
// Lifetime: outlives every Pass.
class CallGate {
 public:
  // A Pass stands for one request that is being worked on, as long as the Pass lives.
  class Pass {
   public:
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Pass& operator=(Pass&& other) noexcept {
      std::swap(gate_, other.gate_);
      return *this;
    }
    ~Pass() {
      if (gate_ != nullptr) gate_->Leave();
    }

   private:
    friend class CallGate;
    explicit Pass(CallGate* gate) : gate_(gate) {}
    CallGate* gate_;
  };

  // Lets one more request in.
  // Errors: DRAINING once the gate is closed.
  absl::StatusOr<Pass> Enter();

  // Lets in a call that is no request and is not waited for.
  // Errors: DRAINING once the gate is closed to all.
  absl::Status EnterAside();

  // Refuses every later request.
  void Close();

  // Refuses every later call, too.
  void CloseToAll();

  // Returns how many requests are being worked on.
  int inside() const;

  // Waits until no request is being worked on. Returns false if some still were at the deadline.
  bool WaitUntilIdle(std::chrono::steady_clock::time_point deadline);

  // Waits until no call was refused for as long as `quiet`, so that every caller who still sends some is told to go
  // elsewhere; at most until the deadline.
  void WaitUntilQuiet(std::chrono::milliseconds quiet, std::chrono::steady_clock::time_point deadline);

 private:
  void Leave();
  absl::Status Refuse();

  mutable std::mutex mutex_;
  std::condition_variable idle_;
  std::condition_variable was_refused_;
  int inside_ = 0;
  std::uint64_t refusals_ = 0;
  bool closed_ = false;
  bool closed_to_all_ = false;
};

}  // namespace tensorferry::rpc
