#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <chrono>

#include "absl/status/status.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::client {

// FromGrpc returns how a call ended, with the reason and metadata that the server sent in its details.
absl::Status FromGrpc(const grpc::Status& status);

// FromGrpc with the context of a call that has ended also reads `grpc-retry-pushback-ms`, by which others than the server
// say when to try again, such as a proxy.
absl::Status FromGrpc(const grpc::Status& status, const grpc::ClientContext& context);

// PushbackOf returns the time that FromGrpc has read so. 0: none.
std::chrono::milliseconds PushbackOf(const absl::Status& status);

// FromProto returns the error that a response on a stream carries.
absl::Status FromProto(const v1::Error& error);

}  // namespace tensorferry::client
