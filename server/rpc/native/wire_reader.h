// Protobuf's wire format, read in place, for requests as clients write them.
//
// Everything that is unusual (unknown or repeated fields, fields out of order, two members of a oneof, unpacked shapes,
// non-minimal varints, texts beyond ASCII, anything malformed) is not read here but left to protobuf's own parser:
// these functions then return false, and what they have written means nothing. What they do read, protobuf's parser
// reads the same: a differential test and a fuzz target hold that.
#pragma once

#include <span>

#include "rpc/call/request_view.h"
#include "rpc/wire/wire_cursor.h"

namespace tensorferry::rpc {

// A ConvertRequest. `view` borrows `message` and `scratch`. Takes no memory once `view` has held a request
// as large, but for shapes of more dimensions than Shape holds inside.
bool ReadConvertRequest(std::span<const Bytes> message, WireScratch& scratch, RequestView& view);

// A ConvertStreamRequest: sets `part`, and what belongs to it.
bool ReadStreamRequest(std::span<const Bytes> message, WireScratch& scratch, StreamPart& part, RequestView& view,
                       ScatteredBytes& chunk);

}  // namespace tensorferry::rpc
