#include "rpc/oip/inference_service.h"

#include "rpc/call/stream_serving.h"
#include "rpc/call/unary_serving.h"
#include "rpc/oip/infer_error.h"

namespace tensorferry::rpc {
namespace {

CallEnd ToEnd(const absl::Status& status) { return ServedMethods::PlainEnd(status.ok() ? status : InferError(status)); }

}  // namespace

InferenceService::InferenceService(const CallEnvironment& environment, const RepositoryAccess& repository,
                                   const ServiceEnvironment& services, const cuda::MaybeDriver& gpus)
    : calls_(environment),
      repository_(repository),
      gpus_(gpus),
      workers_(services.copiers),
      methods_(services, ToEnd) {}

void InferenceService::Serve(ServingQueue& queue) {
  ServeInference(queue);
  ServeServerMethods(queue.get());
  ServeModelMethods(queue.get());
  ServeRepositoryMethods(queue.get());
  ServeSharedMemoryMethods(queue.get());
}

void InferenceService::ServeInference(ServingQueue& serving_queue) {
  grpc::ServerCompletionQueue* const queue = serving_queue.get();
  methods_.ServeUnary(InferProtocol::Method(), ServedMethods::Expected<&Service::RequestModelInfer>(service_, queue),
                      [this, &serving_queue](CallSlots& slots, std::unique_ptr<UnaryCall> call) {
                        ServeRequest<InferProtocol>(methods_.ResourcesOf(serving_queue), slots, environment_,
                                                    std::move(call));
                      });
  methods_.slots().Serve([this, queue, &serving_queue](CallSlots& slots) {
    ServeStream<InferStreamProtocol>(methods_.ResourcesOf(serving_queue), slots, environment_,
                                     [this, queue](auto* context, auto* stream, Tag* tag) {
                                       service_.RequestModelStreamInfer(context, stream, queue, queue, tag);
                                     });
  });
}

}  // namespace tensorferry::rpc
