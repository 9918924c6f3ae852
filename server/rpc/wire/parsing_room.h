#pragma once

#include "absl/status/statusor.h"
#include "base/buffer_pool.h"
#include "base/memory_budget.h"
#include "rpc/wire/message_guard.h"

namespace tensorferry::rpc {

// ParsingRoom is what the memory budget has admitted for a message that protobuf's parser reads.
struct ParsingRoom {
  MemoryBudget::Reservation kept;          // Until what was parsed is gone.
  MemoryBudget::Reservation until_parsed;  // Then it leaves room for the copy, which the budget admits by itself.
};

// Has the memory budget of `pool` admit `room`; null: nothing is admitted. Nor is a little, which most messages take.
// Errors: TENSOR_TOO_LARGE if it can never be admitted; MEMORY_BUDGET.
absl::StatusOr<ParsingRoom> ReserveRoom(const RoomToParse& room, const PoolFor* pool);

}  // namespace tensorferry::rpc
