#include "lib/server_info_proto.h"

namespace tensorferry::client {
namespace {

ModelState FromProto(v1::ModelState state) {
  switch (state) {
    case v1::MODEL_STATE_LOADING: return ModelState::kLoading;
    case v1::MODEL_STATE_READY: return ModelState::kReady;
    case v1::MODEL_STATE_UNAVAILABLE: return ModelState::kUnavailable;
    case v1::MODEL_STATE_UNLOADING: return ModelState::kUnloading;
    default: return ModelState::kUnknown;
  }
}

std::vector<TensorSpec> FromProto(const google::protobuf::RepeatedPtrField<v1::TensorSpec>& source) {
  std::vector<TensorSpec> specs;
  for (const v1::TensorSpec& spec : source) {
    specs.push_back({spec.name(), spec.dtype(), {spec.shape().begin(), spec.shape().end()}});
  }
  return specs;
}

}  // namespace

ServerInfo FromProto(const v1::GetServerInfoResponse& response) {
  ServerInfo info{.version = response.version(),
                  .torch_version = response.torch_version(),
                  .max_message_bytes = response.max_message_bytes(),
                  .max_tensor_bytes = response.max_tensor_bytes(),
                  .recommended_chunk_bytes = response.recommended_chunk_bytes(),
                  .max_ndim = response.max_ndim(),
                  .features = {response.features().begin(), response.features().end()}};
  for (const v1::DtypeInfo& dtype : response.dtypes()) {
    info.dtypes.push_back({.numpy_dtype = dtype.numpy_dtype(),
                           .numpy_descr = dtype.numpy_descr(),
                           .torch_dtype = dtype.torch_dtype(),
                           .itemsize = dtype.itemsize(),
                           .oip_datatype = dtype.oip_datatype()});
  }
  return info;
}

std::vector<ModelInfo> FromProto(const v1::ListModelsResponse& response) {
  std::vector<ModelInfo> models;
  for (const v1::ModelInfo& model : response.models()) {
    models.push_back({.name = model.name(),
                      .version = model.version(),
                      .state = FromProto(model.state()),
                      .reason = model.reason(),
                      .platform = model.platform(),
                      .inputs = FromProto(model.inputs()),
                      .outputs = FromProto(model.outputs()),
                      .sha256 = model.sha256()});
  }
  return models;
}

}  // namespace tensorferry::client
