// The result of a request: tensors and their metadata. Free of torch.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "payload/digest.h"
#include "payload/dtype.h"
#include "payload/shape.h"

namespace tensorferry::inference {

// TensorMetadata describes a tensor; every field is read back from the tensor.
struct TensorMetadata {
  std::string name;
  std::string dtype;  // Torch's name without "torch.".
  Shape shape;
  ElementStrides strides;
  std::int64_t numel = 0;
  std::int64_t itemsize = 0;  // Bytes per element.
  std::int64_t nbytes = 0;
  std::string device;
};

// Receipt says what became of one array that was converted.
struct Receipt {
  std::string source_dtype;  // As the caller sent it: ">f4".
  DType dtype{};             // The array's.
  bool dtype_equal = false;  // The tensor's own dtype, read back, is that of the array.
  bool byte_order_swapped = false;
  bool bools_normalized = false;
  std::optional<Digest> digest;
};

// TensorElements are a tensor's elements in C order, little-endian. `owner` keeps their memory alive.
struct TensorElements {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
};

struct TensorResult {
  TensorMetadata metadata;
  std::optional<Receipt> receipt;          // For converted arrays.
  std::optional<TensorElements> elements;  // For outputs, and for converted arrays if return_data was set.
};

struct PipelineResponse {
  std::string model_name;
  std::string model_version;          // The version that ran.
  std::vector<TensorResult> tensors;  // One per array, in the same order.
  std::vector<TensorResult> outputs;  // The requested outputs in the order of the request, else all outputs.
  std::chrono::nanoseconds convert_time{0};
  std::chrono::nanoseconds queue_time{0};  // The time until the model took the arrays of the request.
  std::chrono::nanoseconds compute_time{0};
};

}  // namespace tensorferry::inference
