#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <memory>

#include "inference/isolation/shared_arena.h"

namespace tensorferry::inference {

// Makes torch take the memory of larger tensors from `arena`, from now on and for the rest of the process: outputs then
// lie where the other process reads them, and need no copy. Call it once, in a process of its own.
void TakeTensorsFrom(std::shared_ptr<SharedArena> arena);

// Returns the block of `arena` in which all of the tensor's memory lies. Returns null if it lies elsewhere.
std::byte* BlockOf(const at::Tensor& tensor, const SharedArena& arena);

}  // namespace tensorferry::inference
