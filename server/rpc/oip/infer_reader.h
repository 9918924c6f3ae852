#pragma once

#include <span>

#include "rpc/oip/infer_view.h"
#include "rpc/wire/wire_cursor.h"

namespace tensorferry::rpc {

// A ModelInferRequest, read in place as wire_reader.h reads requests. False where something is unusual, elements in
// `contents` and numbers in parameters that are no integers included: then it is protobuf's parser's to read.
bool ReadInferRequest(std::span<const Bytes> message, WireScratch& scratch, InferRequestView& view);

}  // namespace tensorferry::rpc
