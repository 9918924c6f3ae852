#include "rpc/native/tensor_service.h"

#include "payload/dtype.h"
#include "rpc/call/stream_serving.h"
#include "rpc/call/unary_serving.h"
#include "rpc/native/convert_protocol.h"
#include "rpc/native/reply.h"
#include "rpc/native/to_proto.h"
#include "rpc/serve/served_methods.h"

namespace tensorferry::rpc {

void TensorService::Serve(ServingQueue& serving_queue) {
  grpc::ServerCompletionQueue* const queue = serving_queue.get();
  methods_.ServeUnary(ConvertProtocol::Method(), ServedMethods::Expected<&Service::RequestConvert>(service_, queue),
                      [this, &serving_queue](CallSlots& slots, std::unique_ptr<UnaryCall> call) {
                        ServeRequest<ConvertProtocol>(methods_.ResourcesOf(serving_queue), slots, environment_,
                                                      std::move(call));
                      });
  methods_.slots().Serve([this, queue, &serving_queue](CallSlots& slots) {
    ServeStream<ConvertStreamProtocol>(methods_.ResourcesOf(serving_queue), slots, environment_,
                                       [this, queue](auto* context, auto* stream, Tag* tag) {
                                         service_.RequestConvertStream(context, stream, queue, queue, tag);
                                       });
  });
  methods_.Serve<&Service::RequestGetServerInfo, &TensorService::GetServerInfo>(service_, queue, *this);
  methods_.Serve<&Service::RequestListModels, &TensorService::ListModels>(service_, queue, *this);
}

absl::Status TensorService::GetServerInfo(const v1::GetServerInfoRequest&, v1::GetServerInfoResponse& response) const {
  response.set_version(TENSORFERRY_VERSION);
  response.set_torch_version(environment_.torch_version);
  response.set_max_message_bytes(environment_.max_message_bytes);
  response.set_max_tensor_bytes(environment_.limits.max_tensor_bytes);
  response.set_recommended_chunk_bytes(ChunkBytesWithin(environment_.max_message_bytes));
  response.set_max_ndim(static_cast<std::int32_t>(kMaxNdim));
  for (const DTypeInfo& dtype : kDTypes) *response.add_dtypes() = ToProto(dtype);
  response.add_features("models");
  if (environment_.regions.kinds().system) response.add_features("shared_memory");
  if (environment_.gpus) response.add_features("cuda_shared_memory");
  if (environment_.tls) response.add_features("tls");
  return absl::OkStatus();
}

absl::Status TensorService::ListModels(const v1::ListModelsRequest&, v1::ListModelsResponse& response) const {
  for (const auto& model : environment_.models.Models()) *response.add_models() = ToProto(model);
  return absl::OkStatus();
}

}  // namespace tensorferry::rpc
