#include "rpc/native/to_proto.h"

#include <string>

#include "base/status.h"
#include "rpc/serve/error.h"

namespace tensorferry::rpc {
namespace {

v1::ModelState ToProto(inference::ModelState state) {
  switch (state) {
    case inference::ModelState::kLoading: return v1::MODEL_STATE_LOADING;
    case inference::ModelState::kReady: return v1::MODEL_STATE_READY;
    case inference::ModelState::kUnavailable: return v1::MODEL_STATE_UNAVAILABLE;
    case inference::ModelState::kUnloading: return v1::MODEL_STATE_UNLOADING;
  }
  __builtin_unreachable();
}

void FillSpecs(const std::vector<inference::TensorSpec>& specs,
               google::protobuf::RepeatedPtrField<v1::TensorSpec>& protos) {
  for (const inference::TensorSpec& spec : specs) {
    v1::TensorSpec& proto = *protos.Add();
    proto.set_name(spec.name);
    proto.set_dtype(spec.dtype);
    proto.mutable_shape()->Assign(spec.shape.begin(), spec.shape.end());
  }
}

}  // namespace

v1::ModelInfo ToProto(const inference::ModelInfo& model) {
  v1::ModelInfo proto;
  proto.set_name(model.name);
  proto.set_version(model.version);
  proto.set_state(ToProto(model.state));
  proto.set_reason(model.reason);
  proto.set_platform(model.platform);
  FillSpecs(model.inputs, *proto.mutable_inputs());
  FillSpecs(model.outputs, *proto.mutable_outputs());
  proto.set_sha256(model.sha256);
  return proto;
}

v1::DtypeInfo ToProto(const DTypeInfo& dtype) {
  v1::DtypeInfo proto;
  proto.set_numpy_dtype(std::string(dtype.name));
  proto.set_numpy_descr(std::string(dtype.descr));
  proto.set_torch_dtype(std::string(dtype.name));
  proto.set_itemsize(static_cast<std::int32_t>(dtype.itemsize));
  proto.set_oip_datatype(std::string(dtype.oip));
  return proto;
}

v1::Error ToProtoError(const absl::Status& error) {
  const Failure failure = FailureForCaller(error);
  v1::Error proto;
  proto.set_code(CodeOf(failure));
  proto.set_reason(std::string(Info(failure.reason).name));
  proto.set_message(failure.message);
  proto.mutable_metadata()->insert(failure.metadata.begin(), failure.metadata.end());
  proto.set_retry_after_ms(failure.retry_after.count());
  return proto;
}

}  // namespace tensorferry::rpc
