// What a model version has done since it was loaded. Free of torch.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <map>

#include "base/buckets.h"

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
  std::uint64_t inference_count = 0;  // The rows that were run; if the model has no batches, the requests.
  std::uint64_t execution_count = 0;  // Runs of the model.
  std::uint64_t waiting = 0;          // Requests that are in the queue now.
  std::chrono::system_clock::time_point last_inference;
  CountAndTime success, fail;  // Count requests; the time is that in the queue and that of the run.
  // The requests of `success` by their time, in the buckets of kRequestTimes and one more for what is above them.
  std::array<std::uint64_t, kRequestTimes.count + 1> success_by_time{};
  CountAndTime queue;  // Counts requests; the time is what they waited in the queue.
  // Count requests; the time is that of the run that the request was part of.
  CountAndTime compute_input, compute_infer, compute_output;
  std::map<std::int64_t, BatchStatistics> batches;  // By the number of rows in the batch.

  // Counts a request in success_by_time alone.
  void CountSuccess(std::chrono::nanoseconds time) {
    ++success_by_time[kRequestTimes.IndexOf(static_cast<std::uint64_t>(std::max<std::int64_t>(0, time.count())))];
  }
};

}  // namespace tensorferry::inference
