#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::client {

// FromGrpc returns how a call ended, with the reason and metadata that the server sent in its details.
absl::Status FromGrpc(const grpc::Status& status);

// FromProto returns the error that a response on a stream carries.
absl::Status FromProto(const v1::Error& error);

}  // namespace tensorferry::client
