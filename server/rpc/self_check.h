#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/periodic_thread.h"

namespace tensorferry::rpc {

// SelfCheck connects to the server's own addresses again and again, as a caller does, and tells when nobody answers:
// gRPC's listener may stop taking connections for good, as after descriptors ran out, while the process looks alive. A
// check is an exchange of HTTP/2's settings and no call: no step of the chain sees it, and nothing counts it.
// Threads:  its own calls `on_deaf`, once.
// Lifetime: the destructor waits for a check that is in progress.
class SelfCheck {
 public:
  // The check of an address fails kMostFailures times in a row before the server is told to be deaf.
  static constexpr int kMostFailures = 6;

  static constexpr std::chrono::milliseconds kMostToWait{5000};

  // An address of `addresses` is HOST:PORT or unix:PATH. `interval` is the time between two checks, 0: never check; an
  // answer may take `most_to_wait`.
  SelfCheck(const std::vector<std::string>& addresses, std::chrono::milliseconds interval,
            std::function<void()> on_deaf, std::chrono::milliseconds most_to_wait = kMostToWait);

  // Returns how many checks have failed since the start.
  std::uint64_t failures() const { return failed_; }

  // Checks no more, and does not wait for a check that is in progress, which tells nothing any more.
  void Stop() { stopped_ = true; }

  // Returns whether the server was found to be deaf. Threads: any.
  bool found_deaf() const { return found_deaf_; }

 private:
  // Target is one socket address on which the server listens, in the system's form.
  struct Target {
    std::string name;            // As the log tells it.
    std::string socket_address;  // A sockaddr.
    // Whether nobody's answer counts: always where the address itself was given, but the server may not listen on each
    // address of a host's name, nor this machine have both families where all addresses were given, so there the first
    // answer is waited for.
    bool is_judged;
    bool speaks_http2 = false;  // Whether it ever did: a TLS listener ends the connection instead, which is an answer.
    int failures = 0;           // In a row.
  };

  void AddTargets(const std::string& address);
  void CheckAll();
  void Check(Target& target);

  const std::chrono::milliseconds most_to_wait_;
  const std::function<void()> on_deaf_;
  std::atomic<bool> stopped_ = false;
  std::atomic<std::uint64_t> failed_ = 0;
  std::atomic<bool> found_deaf_ = false;
  std::vector<Target> targets_;
  std::optional<PeriodicThread> thread_;  // The last member: the thread uses the others.
};

}  // namespace tensorferry::rpc
