#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tensorferry::bench {

// Runs a model once, on one float32 tensor of this shape that is there already; on one thread of torch's. `file`:
// TorchScript, or a package of AOTInductor's if its name ends in .pt2.
std::function<void()> LoadModelWork(const std::string& file, const std::vector<std::int64_t>& shape);

}  // namespace tensorferry::bench
