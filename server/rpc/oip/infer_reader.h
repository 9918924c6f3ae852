#pragma once

#include <span>

#include "rpc/oip/infer_view.h"
#include "rpc/wire/wire_cursor.h"

namespace tensorferry::rpc {

// Reads a ModelInferRequest in place, as native/wire_reader.h reads a ConvertRequest. `view` borrows `message` and
// `scratch`. False where something is unusual, elements in `contents` and parameters of type double included: then
// protobuf's parser has to read the message.
bool ReadInferRequest(std::span<const Bytes> message, WireScratch& scratch, InferRequestView& view);

}  // namespace tensorferry::rpc
