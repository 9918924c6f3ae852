// A reader of protobuf's wire format that works in place, for requests as clients usually write them.
//
// Protobuf's own parser must read a message that has anything unusual: unknown or repeated fields, fields out of order,
// two members of a oneof, unpacked shapes, non-minimal varints, texts beyond ASCII, or anything malformed. These
// functions then return false, and what they have written means nothing. If they return true, protobuf's parser would
// read the same: a differential test and a fuzz target check that.
#pragma once

#include <span>

#include "rpc/call/request_view.h"
#include "rpc/wire/wire_cursor.h"

namespace tensorferry::rpc {

// Reads a ConvertRequest. `view` borrows `message` and `scratch`. Allocates only for more arrays than any earlier
// request in `view` had, or for an array of more than 6 dimensions.
bool ReadConvertRequest(std::span<const Bytes> message, WireScratch& scratch, RequestView& view);

// Reads a ConvertStreamRequest: sets `part`, and, depending on it, `view` or `chunk`. Both borrow as in
// ReadConvertRequest.
bool ReadStreamRequest(std::span<const Bytes> message, WireScratch& scratch, StreamPart& part, RequestView& view,
                       ScatteredBytes& chunk);

}  // namespace tensorferry::rpc
