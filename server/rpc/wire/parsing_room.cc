#include "rpc/wire/parsing_room.h"

#include <fmt/format.h>

#include <cstdint>

#include "base/status.h"

namespace tensorferry::rpc {

absl::StatusOr<ParsingRoom> ReserveRoom(const RoomToParse& room, const PoolFor* pool) {
  constexpr std::uint64_t kUncounted = 64 << 10;
  const std::uint64_t all = room.elements + room.metadata;
  ParsingRoom reserved;
  if (pool == nullptr || all <= kUncounted) return reserved;
  // A part of it would be admitted where all of it can never be, and the caller be told to come back for ever.
  if (const std::uint64_t limit = pool->pool.budget().limit(); all > limit) {
    return MakeError(
        Reason::kTensorTooLarge,
        fmt::format(
            "the message needs up to {} bytes while it is parsed, which can never fit the server's memory budget "
            "of {} bytes; elements in raw form need less",
            all, limit),
        {.field = "message", .actual = fmt::to_string(all), .limit = fmt::to_string(limit)});
  }
  const std::uint64_t kept = room.elements / 2 + room.metadata;
  TENSORFERRY_ASSIGN_OR_RETURN(reserved.kept, pool->Reserve(kept));
  TENSORFERRY_ASSIGN_OR_RETURN(reserved.until_parsed, pool->Reserve(all - kept));
  return reserved;
}

}  // namespace tensorferry::rpc
