#pragma once

#include <cstdint>

namespace tensorferry::rpc {

// What the loads of callers may bring along, each with what stands before it.
enum class AllowedOverrides : std::uint8_t { kNone, kConfig, kFiles };

}  // namespace tensorferry::rpc
