#pragma once

#include <spdlog/spdlog.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tensorferry::security {

// ReloadSource says where the value of a Reloaded comes from. No text that its functions return holds a secret.
template <typename Value>
struct ReloadSource {
  std::string name;                                   // For the log: "TLS".
  std::function<absl::StatusOr<Value>()> read;        // Reads the files.
  std::function<absl::Status(const Value&)> check;    // Says whether the value may be used.
  std::function<std::string(const Value&)> describe;  // For the log.
};

// Counts the values of all Reloaded from 1.
inline std::uint64_t NextReloadVersion() {
  static std::atomic<std::uint64_t> last = 0;
  return ++last;
}

// Reloaded holds the last value read from files that could be used.
// Threads: Get on any thread, Reload on one at a time.
template <typename Value>
class Reloaded {
 public:
  // Reads the value for the first time.
  // Errors: those of `read` and `check`.
  static absl::StatusOr<std::unique_ptr<Reloaded>> Load(ReloadSource<Value> source) {
    absl::StatusOr<Value> value = source.read();
    if (!value.ok()) return value.status();
    if (const absl::Status error = source.check(*value); !error.ok()) return error;
    spdlog::info("{}: {}", source.name, source.describe(*value));
    return std::unique_ptr<Reloaded>(new Reloaded(std::move(source), *std::move(value)));
  }

  std::shared_ptr<const Value> Get() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }

  // Returns a number that no other value of any Reloaded has, so that a thread can tell without a lock whether it has
  // the value already. A value that Get returns later is this one or a newer one.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

  // Returns how often the files have changed to something that cannot be used.
  std::uint64_t failures() const { return failures_.load(std::memory_order_relaxed); }

  // Takes what the files hold by now. Files that cannot be used leave the value as it is; the log tells so once, until
  // the problem is another one. The files are compared by their content, so that it does not matter how they are
  // replaced.
  void Reload() {
    absl::StatusOr<Value> value = source_.read();
    if (value.ok() && *value == *Get()) {
      logged_.clear();
      return;
    }
    const absl::Status error = value.ok() ? source_.check(*value) : value.status();
    if (!error.ok()) return LogOnce(std::string(error.message()));
    logged_.clear();
    const auto taken = std::make_shared<const Value>(*std::move(value));
    {
      const std::lock_guard lock(mutex_);
      value_ = taken;
      version_.store(NextReloadVersion(), std::memory_order_release);
    }
    // Told once it holds: whoever reads the line may rely on the new value.
    spdlog::info("{}: reloaded: {}", source_.name, source_.describe(*taken));
  }

 private:
  Reloaded(ReloadSource<Value> source, Value value)
      : source_(std::move(source)), value_(std::make_shared<const Value>(std::move(value))) {}

  void LogOnce(const std::string& problem) {
    if (problem == logged_) return;
    spdlog::warn("{}: not reloaded, and what was read before stays in use: {}", source_.name, problem);
    logged_ = problem;
    ++failures_;
  }

  const ReloadSource<Value> source_;
  std::string logged_;  // The problem that the log told last. Empty: the files are in use.
  std::atomic<std::uint64_t> failures_ = 0;
  std::atomic<std::uint64_t> version_{NextReloadVersion()};
  mutable std::mutex mutex_;  // Guards value_.
  std::shared_ptr<const Value> value_;
};

}  // namespace tensorferry::security
