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

// BenchArrays makes arrays of random elements that share one piece of memory. Elements of a floating-point dtype are
// ordinary numbers.
class BenchArrays {
 public:
  // `dtype` is sent as it is, whether this library knows it or not. `input` is the model's input that takes the arrays,
  // as far as it is known.
  BenchArrays(std::string dtype, client::TensorSpec input) : dtype_(std::move(dtype)), input_(std::move(input)) {}

  // Makes elements for arrays of all `sizes`, in bytes.
  // Errors: INVALID_ARGUMENT for a size that is no whole number of elements, RESOURCE_EXHAUSTED.
  absl::Status Fill(const std::vector<std::uint64_t>& sizes);

  // Returns an array with the shape of the model's input, its first open dimension fitted to `nbytes`; if nothing fits,
  // an array of one dimension.
  client::Array Of(std::uint64_t nbytes) const;

 private:
  std::string dtype_;
  client::TensorSpec input_;
  std::shared_ptr<const std::vector<std::byte>> elements_;  // For the largest size.
};

}  // namespace tensorferry::cli
