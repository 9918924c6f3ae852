// What a model version has done since it was loaded. Free of torch.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>

namespace tensorferry::inference {

struct CountAndTime {
  std::uint64_t count = 0;
  std::chrono::nanoseconds time{0};

  void Add(std::chrono::nanoseconds each, std::uint64_t times = 1) {
    count += times;
    time += each * static_cast<std::int64_t>(times);
  }
};

struct BatchStatistics {
  CountAndTime compute_input, compute_infer, compute_output;
};

struct ModelStatistics {
  std::uint64_t inference_count = 0;  // Rows that were run; where the model has no batches, requests.
  std::uint64_t execution_count = 0;  // Runs of the model.
  std::chrono::system_clock::time_point last_inference;
  CountAndTime success, fail;                                 // Requests, with what they waited.
  CountAndTime queue;                                         // Requests.
  CountAndTime compute_input, compute_infer, compute_output;  // Requests: what the run that they were part of took.
  std::map<std::int64_t, BatchStatistics> batches;            // By rows.
};

}  // namespace tensorferry::inference
