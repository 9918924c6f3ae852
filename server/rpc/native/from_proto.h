// Requests that protobuf's parser has read, in the form in which wire_reader.h reads them.
#pragma once

#include <vector>

#include "rpc/call/request_view.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::rpc {

// `view` borrows `request` and `pieces`, which is written: one piece for each array.
void FromProto(const v1::ConvertRequest& request, std::vector<Bytes>& pieces, RequestView& view);

}  // namespace tensorferry::rpc
