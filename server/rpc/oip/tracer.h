#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/thread_annotations.h"
#include "rpc/call/response.h"

namespace tensorferry::rpc {

// Tracer writes log lines about some of the requests, as the trace settings say. A model without settings of its own
// has the settings for all models.
// Threads: any.
class Tracer {
 public:
  // Values by the settings' names in the protocol: trace_level, trace_rate, trace_count, log_frequency, trace_file.
  using Values = std::map<std::string, std::vector<std::string>>;

  // Changes settings of `model`, or of all models if it is empty. A setting that comes without values is reset: a
  // model's setting to that for all models, and a setting for all models to its default.
  // Errors: INPUT_MISMATCH for unknown names and values; OPERATOR_UNSUPPORTED for trace_file.
  absl::Status Set(const std::string& model, const Values& values);

  // Returns the settings that apply to `model`.
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
    std::int64_t rate = 1000;  // One request of this many is traced.
    std::int64_t count = -1;   // The number of lines that are still to come; -1: without end.
  };

  static absl::Status Apply(const std::string& name, const std::vector<std::string>& values, Settings& settings);
  Effective EffectiveOf(const std::string& model) const TENSORFERRY_REQUIRES(mutex_);
  void RecordIfSampled(const Response& response);

  mutable Mutex mutex_;
  Settings of_all_ TENSORFERRY_GUARDED_BY(mutex_);
  std::map<std::string, Settings> of_models_ TENSORFERRY_GUARDED_BY(mutex_);
  std::map<std::string, std::uint64_t> seen_ TENSORFERRY_GUARDED_BY(mutex_);  // Requests, by model.
  std::uint64_t traced_ TENSORFERRY_GUARDED_BY(mutex_) = 0;
  std::atomic<bool> active_ = false;
};

}  // namespace tensorferry::rpc
