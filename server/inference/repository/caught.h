#pragma once

#include <spdlog/spdlog.h>

#include "absl/status/status.h"
#include "base/status.h"
#include "inference/tensor/catch_torch.h"

namespace tensorferry::inference {

// Work on a thread of the repository's, from which no exception may escape: it would end the process, and all models
// with it.

// Returns what `work` returns, an absl::Status, or INTERNAL for an exception.
template <typename Work>
absl::Status Caught(const Work& work) {
  return CatchTorch(Reason::kInternal, work);
}

// Calls `work`, which returns nothing, and logs an exception.
template <typename Work>
void LogThrown(const Work& work) {
  const absl::Status thrown = Caught([&] {
    work();
    return absl::OkStatus();
  });
  if (!thrown.ok()) spdlog::error("the model repository: {}", DescribeError(thrown).message);
}

}  // namespace tensorferry::inference
