// This is the conversion of the servers with generated code. It has a file of its own because torch's headers bring
// another protobuf.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tensorferry::bench {

// TensorFacts are read back from the tensor.
struct TensorFacts {
  std::string dtype;
  std::vector<std::int64_t> shape, strides;
  std::int64_t numel, itemsize, nbytes;
  std::string device;
};

// CloneIntoTensor does what most people would write: it makes a tensor over the message's bytes, and clones it so that
// it owns its memory. It throws std::invalid_argument if dtype, shape and bytes do not belong together.
TensorFacts CloneIntoTensor(const std::string& dtype, std::span<const std::int64_t> shape, const std::string& bytes);

// UseOneTorchThread keeps torch's own threads from competing for the core that the server has.
void UseOneTorchThread();

}  // namespace tensorferry::bench
