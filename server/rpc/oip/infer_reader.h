#pragma once

#include <span>

#include "rpc/oip/infer_view.h"
#include "rpc/wire/wire_cursor.h"

namespace tensorferry::rpc {

// Reads a ModelInferRequest in place, as native/wire_reader.h reads a ConvertRequest. `view` borrows `message` and
// `scratch`. Returns false if protobuf's parser must read the message: it has something unusual, elements in
// `contents`, or parameters of type double.
bool ReadInferRequest(std::span<const Bytes> message, WireScratch& scratch, InferRequestView& view);

}  // namespace tensorferry::rpc
