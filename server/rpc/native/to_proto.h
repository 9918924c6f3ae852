// What is known of models and dtypes, as protobuf.
#pragma once

#include "inference/model_info.h"
#include "payload/dtype.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::rpc {

v1::ModelInfo ToProto(const inference::ModelInfo& model);
v1::DtypeInfo ToProto(const DTypeInfo& dtype);

}  // namespace tensorferry::rpc
