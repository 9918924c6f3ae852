#pragma once

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "inference/isolation/message.h"
#include "inference/isolation/shared_arena.h"
#include "inference/tensor/model.h"

namespace tensorferry::inference {

// TensorLender writes tensors into messages: name, dtype, shape and strides. Their elements are left in an arena, which
// the receiver reads.
//
// Elements that lie in the arena already are lent as they are, if nothing else refers to their memory. All others are
// copied into it, with the gaps that their strides leave.
class TensorLender {
 public:
  // Borrows `arena`.
  explicit TensorLender(SharedArena& arena) : arena_(arena) {}
  TensorLender(const TensorLender&) = delete;
  TensorLender& operator=(const TensorLender&) = delete;
  ~TensorLender();

  // Writes the tensors. If they are the outputs of a run, call it right after that: RetainedMemory says what must be
  // copied.
  // Errors: MODEL_FAILED for a tensor that no array can hold; MEMORY_BUDGET.
  absl::Status Put(const std::vector<NamedTensor>& tensors, MessageWriter& message);

  // Says that the message was sent: the receiver returns what it was lent. Without it the destructor takes it back.
  void Sent() { lent_.clear(); }

 private:
  absl::Status PutTensor(const NamedTensor& named, bool stays, MessageWriter& message);

  SharedArena& arena_;
  std::vector<std::byte*> lent_;
};

// Reads tensors that lie in `arena`, which another process has filled. They keep the arena mapped, and return their
// blocks to it.
// Errors: INTERNAL for a tensor that does not lie in the arena: the other process may have lost its mind.
absl::StatusOr<std::vector<NamedTensor>> GetTensors(MessageReader& message, const std::shared_ptr<SharedArena>& arena);

}  // namespace tensorferry::inference
