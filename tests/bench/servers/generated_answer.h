#pragma once

#include <grpcpp/support/status.h>

#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::bench {

// Answer converts every array of the request, and describes the tensors with protobuf's classes.
grpc::Status Answer(const v1::ConvertRequest& request, v1::ConvertResponse& response);

}  // namespace tensorferry::bench
