// The conversion of the servers with generated code. Apart, because torch's headers bring a protobuf of their own.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tensorferry::bench {

// Read back from the tensor.
struct TensorFacts {
  std::string dtype;
  std::vector<std::int64_t> shape, strides;
  std::int64_t numel, itemsize, nbytes;
  std::string device;
};

// What most people would write: a tensor over the message's bytes, cloned so that it owns its memory.
// Throws std::invalid_argument if the three do not belong together.
TensorFacts CloneIntoTensor(const std::string& dtype, std::span<const std::int64_t> shape, const std::string& bytes);

// Torch's own threads would compete for the core that the server has.
void UseOneTorchThread();

}  // namespace tensorferry::bench
