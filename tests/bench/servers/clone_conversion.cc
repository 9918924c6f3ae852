#include "clone_conversion.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <stdexcept>

namespace tensorferry::bench {
namespace {

at::ScalarType ScalarTypeOf(const std::string& dtype) {
  if (dtype == "float32") return at::kFloat;
  if (dtype == "float64") return at::kDouble;
  if (dtype == "int32") return at::kInt;
  if (dtype == "int64") return at::kLong;
  if (dtype == "uint8") return at::kByte;
  throw std::invalid_argument("dtype " + dtype + " is not supported");
}

std::string NameOf(at::ScalarType type) {
  switch (type) {
    case at::kFloat: return "float32";
    case at::kDouble: return "float64";
    case at::kInt: return "int32";
    case at::kLong: return "int64";
    case at::kByte: return "uint8";
    default: return "unknown";
  }
}

}  // namespace

TensorFacts CloneIntoTensor(const std::string& dtype, std::span<const std::int64_t> shape, const std::string& bytes) {
  const at::ScalarType type = ScalarTypeOf(dtype);
  std::size_t expected = c10::elementSize(type);
  for (const std::int64_t dim : shape) expected *= static_cast<std::size_t>(dim);
  if (expected != bytes.size()) throw std::invalid_argument("shape and bytes disagree");
  const at::Tensor tensor = at::from_blob(const_cast<char*>(bytes.data()), {shape.data(), shape.size()}, type).clone();
  return {.dtype = NameOf(tensor.scalar_type()),
          .shape = tensor.sizes().vec(),
          .strides = tensor.strides().vec(),
          .numel = tensor.numel(),
          .itemsize = static_cast<std::int64_t>(tensor.itemsize()),
          .nbytes = static_cast<std::int64_t>(tensor.nbytes()),
          .device = tensor.device().str()};
}

void UseOneTorchThread() {
  at::set_num_threads(1);
  at::set_num_interop_threads(1);
}

}  // namespace tensorferry::bench
