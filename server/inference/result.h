// What comes of a request: tensors, and what they say of themselves. Free of torch.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/few.h"
#include "payload/digest.h"
#include "payload/shape.h"

namespace tensorferry::inference {

// What a tensor says of itself; every field is read back from the tensor.
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

// What we state about one converted array.
struct Receipt {
  std::string source_dtype;      // As sent: ">f4".
  std::string_view numpy_dtype;  // Canonical: "float32". Static storage.
  bool dtype_equal = false;      // The tensor's own dtype, read back, is the one that numpy_dtype maps to.
  bool byte_order_swapped = false;
  bool bools_normalized = false;
  std::optional<Digest> digest;
};

// A tensor's elements in C order, little-endian, and whatever keeps that memory alive.
struct TensorElements {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
};

struct TensorResult {
  TensorMetadata metadata;
  std::optional<Receipt> receipt;          // Converted arrays.
  std::optional<TensorElements> elements;  // Outputs, and converted arrays with return_data.
};

struct PipelineResponse {
  std::string model_name;
  std::string model_version;  // The one that ran.
  Few<TensorResult> tensors;  // One per array, in the same order.
  Few<TensorResult> outputs;  // As requested, else all.
  std::chrono::nanoseconds convert_time{0};
  std::chrono::nanoseconds queue_time{0};  // Until the model took the request's arrays.
  std::chrono::nanoseconds compute_time{0};
};

}  // namespace tensorferry::inference
