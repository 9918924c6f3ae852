// What happens to arrays once they are complete: tensor, model, metadata. Free of torch: this is all that rpc/ sees of
// it.
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

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/few.h"
#include "inference/model_info.h"
#include "payload/array_payload.h"

namespace tensorferry::inference {

struct NamedArray {
  std::string name;  // The model's input name, else a label.
  ArrayPayload payload;
};

// What to do with the arrays of one request.
struct PipelineCall {
  std::string model_name;                      // Empty: conversion only.
  std::string model_version;                   // Empty: our choice.
  std::vector<std::string> requested_outputs;  // Empty: all.
  bool return_data = false;                    // Give the converted tensors' elements back.
};

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
  std::chrono::nanoseconds compute_time{0};
};

// Threads: any; calls run on the caller's thread.
class Pipeline {
 public:
  virtual ~Pipeline() = default;

  // Refuse what can be refused before any element has come. `array_names`: in the request's order.
  // Errors: MODEL_NOT_FOUND, MODEL_NOT_READY, INPUT_MISMATCH, UNKNOWN_OUTPUT.
  virtual absl::Status Admit(const PipelineCall& call, std::span<const std::string_view> array_names) const = 0;

  // Make tensors of the arrays and run the model, if one is named.
  // Errors: those of Admit; OPERATOR_UNSUPPORTED, MODEL_FAILED; TENSOR_TOO_LARGE for an output.
  virtual absl::StatusOr<PipelineResponse> Run(const PipelineCall& call, Few<NamedArray> arrays) = 0;

  // Every model version, by name.
  virtual std::vector<ModelInfo> Models() const = 0;

  virtual std::string TorchVersion() const = 0;
};

}  // namespace tensorferry::inference
