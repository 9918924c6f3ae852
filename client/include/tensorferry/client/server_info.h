#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tensorferry::client {

struct DtypeInfo {
  std::string numpy_dtype;  // `float32`
  std::string numpy_descr;  // `<f4`; empty where NumPy has no unambiguous one.
  std::string torch_dtype;  // Without `torch.`.
  std::int32_t itemsize = 0;
  std::string oip_datatype;  // `FP32`
};

// ServerInfo says what a server is and what it takes.
struct ServerInfo {
  std::string version;
  std::string torch_version;
  std::uint64_t max_message_bytes = 0;
  std::uint64_t max_tensor_bytes = 0;
  std::uint64_t recommended_chunk_bytes = 0;
  std::int32_t max_ndim = 0;
  std::vector<DtypeInfo> dtypes;
  std::vector<std::string> features;
};

enum class ModelState : std::uint8_t { kUnknown, kLoading, kReady, kUnavailable, kUnloading };

// TensorSpec is an input or output of a model.
struct TensorSpec {
  std::string name;
  std::string dtype;                // Empty if the model does not say.
  std::vector<std::int64_t> shape;  // -1: any size.
};

struct ModelInfo {
  std::string name;
  std::string version;
  ModelState state = ModelState::kUnknown;
  std::string reason;  // Why the model is not ready.
  std::string platform;
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  std::string sha256;  // SHA-256 of the model file in hex; empty for a built-in model.
};

enum class Health : std::uint8_t { kUnknown, kServing, kNotServing };

}  // namespace tensorferry::client
