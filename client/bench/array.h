#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tensorferry/client/array.h"
#include "tensorferry/client/server_info.h"

namespace tensorferry::cli {

// Arrays of random elements, ordinary numbers where the dtype is floating point, which share one piece of memory.
class BenchArrays {
 public:
  // `dtype`: as it is sent, known here or not. `input`: of the model that is to take them, as far as that is known.
  BenchArrays(std::string dtype, client::TensorSpec input) : dtype_(std::move(dtype)), input_(std::move(input)) {}

  // Makes elements for all sizes, in bytes.
  // Errors: INVALID_ARGUMENT for a size that is no whole number of elements, RESOURCE_EXHAUSTED.
  absl::Status Fill(const std::vector<std::uint64_t>& sizes);

  // One dimension, or the input's shape where a number for its first open dimension makes it fit.
  client::Array Of(std::uint64_t nbytes) const;

 private:
  std::string dtype_;
  client::TensorSpec input_;
  std::shared_ptr<const std::vector<std::byte>> elements_;  // For the largest size.
};

}  // namespace tensorferry::cli
