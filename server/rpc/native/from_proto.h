// Turns messages that protobuf's parser has read into the views that wire_reader.h fills.
#pragma once

#include <vector>

#include "rpc/call/request_view.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::rpc {

// Makes `view` say what `request` says, and fills `pieces` with one piece for each array. `view` borrows both.
void FromProto(const v1::ConvertRequest& request, std::vector<Bytes>& pieces, RequestView& view);

}  // namespace tensorferry::rpc
