#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "rpc/call/response.h"

namespace tensorferry::rpc {

// Writes lines about some of the requests into the log, as the trace settings say: of all models, or of one.
// Threads: any.
class Tracer {
 public:
  // By their names in the protocol: trace_level, trace_rate, trace_count, log_frequency, trace_file.
  using Values = std::map<std::string, std::vector<std::string>>;

  // `model` empty: of all models that have none of their own. No values for a name: as those, or the default.
  // Errors: INPUT_MISMATCH for names and values that there are not; OPERATOR_UNSUPPORTED for trace_file.
  absl::Status Set(const std::string& model, const Values& values);

  // As they apply.
  Values Get(const std::string& model) const;

  // Writes a line about a response that is about to be sent, if its request is one of those that are traced.
  void Record(const Response& response) {
    if (active_.load(std::memory_order_relaxed)) RecordIfSampled(response);
  }

 private:
  struct Settings {
    std::optional<std::vector<std::string>> level;
    std::optional<std::int64_t> rate, count;
  };
  struct Effective {
    bool timestamps = false;
    bool tensors = false;
    std::int64_t rate = 1000;  // One request of so many.
    std::int64_t count = -1;   // So many lines yet; -1: no end.
  };

  static absl::Status Apply(const std::string& name, const std::vector<std::string>& values, Settings& settings);
  Effective EffectiveOf(const std::string& model) const;
  void RecordIfSampled(const Response& response);

  mutable std::mutex mutex_;  // Guards what follows.
  Settings of_all_;
  std::map<std::string, Settings> of_models_;
  std::map<std::string, std::uint64_t> seen_;  // Requests, by model.
  std::uint64_t traced_ = 0;
  std::atomic<bool> active_ = false;
};

}  // namespace tensorferry::rpc
