#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tensorferry::bench {

// LoadModelWork returns a function that runs a model once, on one thread of torch's, with one float32 tensor of `shape`
// that was made beforehand. `file` is TorchScript, or a package of AOTInductor's if its name ends in .pt2.
std::function<void()> LoadModelWork(const std::string& file, const std::vector<std::int64_t>& shape);

}  // namespace tensorferry::bench
