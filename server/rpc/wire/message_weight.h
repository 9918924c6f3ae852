#pragma once

#include <cstddef>
#include <span>

#include "payload/scattered_bytes.h"
#include "rpc/wire/message_guard.h"

namespace tensorferry::rpc {

// A shorter message is never long to read, whatever it holds.
inline constexpr std::size_t kLongToReadFrom = 4 << 10;

// Returns whether a message takes a time to read and answer that its few bytes do not show: it has more than some 300
// arrays, or as many names of outputs, fields or integers as take as long, about half a millisecond. That is what copying a
// message of kLongCopy bytes takes. Call it for messages of at least kLongToReadFrom bytes.
//
// Cost: one step for each field, up to some thousand.
bool IsLongToRead(std::span<const Bytes> message, const MessageLayout& layout);

}  // namespace tensorferry::rpc
