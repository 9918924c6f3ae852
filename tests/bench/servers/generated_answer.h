#pragma once

#include <grpcpp/support/status.h>

#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::bench {

// Convert every array of the request and describe the tensors, with protobuf's classes.
grpc::Status Answer(const v1::ConvertRequest& request, v1::ConvertResponse& response);

}  // namespace tensorferry::bench
