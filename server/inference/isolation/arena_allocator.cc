#include "inference/isolation/arena_allocator.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

#include <limits>
#include <utility>

namespace tensorferry::inference {
namespace {

// Smaller tensors are cheaper to copy than to place.
constexpr std::size_t kFromArena = 64 << 10;  // Bytes.

// The arena of this process, and what frees torch's own memory; set once. torch's deleters have no context but the
// memory itself.
SharedArena* arena_of_process = nullptr;
c10::DeleterFnPtr free_elsewhere = nullptr;

// Frees what ArenaAllocator has given out, wherever it lies: torch may ask the allocator for its one deleter.
void GiveBackToArena(void* memory) {
  if (!arena_of_process->Holds(memory)) return free_elsewhere(memory);
  arena_of_process->GiveBack(static_cast<std::byte*>(memory));
}

class ArenaAllocator final : public c10::Allocator {
 public:
  ArenaAllocator(std::shared_ptr<SharedArena> arena, c10::Allocator& otherwise)
      : arena_(std::move(arena)), otherwise_(otherwise) {}

  c10::DataPtr allocate(std::size_t nbytes) override {
    if (nbytes < kFromArena) return otherwise_.allocate(nbytes);
    const auto block = arena_->Take(nbytes);
    if (!block.ok()) return otherwise_.allocate(nbytes);
    return {*block, *block, &GiveBackToArena, at::kCPU};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &GiveBackToArena; }

  void copy_data(void* to, const void* from, std::size_t nbytes) const override { default_copy_data(to, from, nbytes); }

 private:
  const std::shared_ptr<SharedArena> arena_;
  c10::Allocator& otherwise_;
};

}  // namespace

void TakeTensorsFrom(std::shared_ptr<SharedArena> arena) {
  arena_of_process = arena.get();
  free_elsewhere = c10::GetCPUAllocator()->raw_deleter();
  // Lives as long as the process: tensors in static storage are freed with it.
  static ArenaAllocator allocator(std::move(arena), *c10::GetCPUAllocator());
  c10::SetCPUAllocator(&allocator, /*priority=*/std::numeric_limits<std::uint8_t>::max());
}

std::byte* BlockOf(const at::Tensor& tensor, const SharedArena& arena) {
  const c10::DataPtr& memory = tensor.storage().data_ptr();
  if (memory.get_deleter() != &GiveBackToArena || !arena.Holds(memory.get())) return nullptr;
  return static_cast<std::byte*>(memory.get_context());
}

}  // namespace tensorferry::inference
