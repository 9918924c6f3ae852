#pragma once

#include <ATen/core/Tensor.h>

namespace tensorferry::inference {

// Fills a tensor on the CPU, of any dtype, with numbers by chance: from 0 to 1, or 0 and 1 for bools and integers, as
// other integers might be no index of a model's table. They are the same every time.
void FillRandom(at::Tensor& tensor);

}  // namespace tensorferry::inference
