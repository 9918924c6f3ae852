#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tensorferry::client {

// CountAndTime counts requests or runs, and sums the time that each of them took.
struct CountAndTime {
  std::uint64_t count = 0;
  std::chrono::nanoseconds time{0};
};

// BatchStatistics counts the runs of one number of rows.
struct BatchStatistics {
  std::uint64_t rows = 0;
  CountAndTime compute_input, compute_infer, compute_output;
};

// ModelStatistics says what a version of a model has done since it was loaded.
struct ModelStatistics {
  std::string name;
  std::string version;
  std::optional<std::chrono::system_clock::time_point> last_inference;  // None: it has not run yet.
  std::uint64_t inference_count = 0;  // The rows that were run; if the model has no batches, the requests.
  std::uint64_t execution_count = 0;  // Runs of the model.
  CountAndTime success, fail;         // Requests, and their time in the queue and in the run.
  CountAndTime queue;                 // Requests, and their time in the queue.
  CountAndTime compute_input, compute_infer,
      compute_output;  // Requests, and the time of the run that each was part of.
  std::vector<BatchStatistics> batches;
};

// ModelConfig is the configuration of a model as it applies, in two forms.
struct ModelConfig {
  std::string text;  // As in a config.pbtxt.
  std::string json;  // Protobuf's JSON, with the names of the fields: numbers of 64 bits are strings.
};

}  // namespace tensorferry::client
