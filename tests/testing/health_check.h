#pragma once

#include <google/protobuf/descriptor.h>

#include "grpc/health/v1/health.pb.h"
#include "rpc/serve/method.h"

namespace tensorferry {

// A method with one message each way, for tests to which any will do.
inline const google::protobuf::MethodDescriptor& HealthCheck() {
  return rpc::FindMethod(*grpc::health::v1::HealthCheckRequest::descriptor(),
                         *grpc::health::v1::HealthCheckResponse::descriptor(), rpc::Streams::kNone);
}

}  // namespace tensorferry
