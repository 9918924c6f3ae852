#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "payload/digest.h"
#include "tensorferry/client/tensor_data.h"

namespace tensorferry::client {

// Adjustment is a change that the conversion made to the bytes that were sent.
enum class Adjustment : std::uint8_t {
  kByteOrderSwapped,
  kBoolNormalized,
};

// Receipt is what the server states about one converted array.
struct Receipt {
  std::string source_dtype;  // As sent: `>f4`.
  std::string numpy_dtype;   // Canonical NumPy or ml_dtypes name: `float32`.
  bool dtype_equal = false;  // The tensor's own dtype is the one that belongs to `numpy_dtype`.
  std::vector<Adjustment> adjustments;
  std::optional<Digest> digest;  // Covers the tensor's elements in C order, little-endian.
};

// Tensor is a torch tensor, as the server read it back.
struct Tensor {
  std::string name;
  std::string dtype;                  // Torch's name without `torch.`.
  std::vector<std::int64_t> shape;    // Elements per dimension; empty = a scalar.
  std::vector<std::int64_t> strides;  // In elements.
  std::int64_t numel = 0;
  std::int32_t itemsize = 0;  // Bytes per element.
  std::int64_t nbytes = 0;
  std::string device;
  std::optional<Receipt> receipt;  // Set for converted arrays.
  std::optional<TensorData> data;  // `nbytes` bytes, C order, little-endian; not set unless asked for.
};

// Timing says where the server's time went.
struct Timing {
  std::chrono::nanoseconds receive{0};  // From the request's header to the last byte of its arrays.
  std::chrono::nanoseconds convert{0};
  std::chrono::nanoseconds queue{0};    // The wait for a model executor.
  std::chrono::nanoseconds compute{0};  // The run of the model.
};

struct Response {
  std::string request_id;
  std::string model_name;  // Empty: no model ran.
  std::string model_version;
  std::vector<Tensor> tensors;  // One per array, in the same order.
  std::vector<Tensor> outputs;  // The outputs of the model.
  Timing timing;
};

}  // namespace tensorferry::client
