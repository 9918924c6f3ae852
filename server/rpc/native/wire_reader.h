// Protobuf's wire format, read in place, for requests as clients write them.
//
// What is unusual (unknown or repeated fields, fields out of order, two members of a oneof, unpacked shapes,
// non-minimal varints, texts beyond ASCII, anything malformed) is left to protobuf's own parser: these functions then
// return false, and what they have written means nothing. What they do read, protobuf's parser reads the same: a
// differential test and a fuzz target check that.
#pragma once

#include <span>

#include "rpc/call/request_view.h"
#include "rpc/wire/wire_cursor.h"

namespace tensorferry::rpc {

// Reads a ConvertRequest. `view` borrows `message` and `scratch`. Allocates only for more arrays than any earlier request
// in `view` had, or for an array of more than 6 dimensions.
bool ReadConvertRequest(std::span<const Bytes> message, WireScratch& scratch, RequestView& view);

// Reads a ConvertStreamRequest: sets `part`, and, as that says, `view` or `chunk`. Both borrow as above.
bool ReadStreamRequest(std::span<const Bytes> message, WireScratch& scratch, StreamPart& part, RequestView& view,
                       ScatteredBytes& chunk);

}  // namespace tensorferry::rpc
