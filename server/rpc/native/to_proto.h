// Makes messages of tensorferry.v1 of models, dtypes and errors.
#pragma once

#include "absl/status/status.h"
#include "inference/model_info.h"
#include "payload/dtype.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::rpc {

v1::ModelInfo ToProto(const inference::ModelInfo& model);
v1::DtypeInfo ToProto(const DTypeInfo& dtype);

// Returns `error` in the form that it has inside a response on a stream.
v1::Error ToProtoError(const absl::Status& error);

}  // namespace tensorferry::rpc
