#include "rpc/native/tensor_service.h"

#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "payload/dtype.h"
#include "rpc/call/incoming_message.h"
#include "rpc/call/stream_run.h"
#include "rpc/call/stream_serving.h"
#include "rpc/call/unary_serving.h"
#include "rpc/native/convert_stream.h"
#include "rpc/native/reply.h"
#include "rpc/native/to_proto.h"
#include "rpc/serve/end_of_call.h"
#include "rpc/serve/guarded.h"

namespace tensorferry::rpc {
namespace {

// The form of Convert.
class ConvertForm {
 public:
  using Message = IncomingMessage<ConvertDecoder>;

  explicit ConvertForm(const CallEnvironment& environment) : environment_(environment) {}

  absl::StatusOr<Intake> Start(Message& message) {
    TENSORFERRY_RETURN_IF_ERROR(message.Decode());
    return Intake::Start(message.decoded().request(), Intake::Chunks::kRefused, environment_);
  }

  absl::StatusOr<grpc::ByteBuffer> Encode(const Answer& answer, WireWriter& writer) const {
    return EncodeResponse(answer, environment_.max_message_bytes, writer);
  }

  void LetGo() {}  // Of nothing.
  static grpc::Status EndOf(const absl::Status& status) { return rpc::EndOf("Convert", status); }

 private:
  const CallEnvironment& environment_;
};

class ConvertRun final : public StreamRun {
 public:
  ConvertRun(Intake call, HeldMessage message, const AsyncCall& caller, const CallEnvironment& environment)
      : StreamRun(std::move(call), std::move(message), caller), environment_(environment) {}

  StreamReply TakeReply(WireWriter& writer) override {
    auto reply = Guarded([&]() -> absl::StatusOr<StreamReply> {
      TENSORFERRY_ASSIGN_OR_RETURN(Answer answer, TakeAnswer());
      return StreamReplyOf(std::move(answer), environment_.max_message_bytes, writer);
    });
    return reply.ok() ? *std::move(reply) : RefuseInStream(request_id(), reply.status());
  }

 private:
  const CallEnvironment& environment_;
};

// The form of ConvertStream.
class ConvertStreamForm : public ConvertStreamSession {
 public:
  using Message = IncomingMessage<ConvertStreamDecoder>;
  static grpc::Status EndOf(const absl::Status& status) { return rpc::EndOf("ConvertStream", status); }

  ConvertStreamForm(const CallEnvironment& environment, const AsyncCall& caller)
      : ConvertStreamSession(environment), environment_(environment), caller_(caller) {}

  // What the message says, taken over. Its memory is needed afterwards only if a model runs.
  absl::Status Take(Message& message) {
    return Guarded([&]() -> absl::Status {
      TENSORFERRY_RETURN_IF_ERROR(message.Decode());
      return OnMessage(message.decoded());
    });
  }

  std::unique_ptr<StreamRun> TakeRun(Message& message) {
    Intake call = TakeCall();
    HeldMessage held = HoldFor(call, message);
    return std::make_unique<ConvertRun>(std::move(call), std::move(held), caller_, environment_);
  }

 private:
  const CallEnvironment& environment_;
  const AsyncCall& caller_;
};

}  // namespace

void TensorService::Serve(ServingQueue& serving_queue) {
  grpc::ServerCompletionQueue* const queue = serving_queue.get();
  methods_.slots().Serve([this, queue, &serving_queue](CallSlots& slots) {
    ServeRequest<ConvertForm>(serving_queue, copiers_, slots, environment_,
                              [this, queue](auto* context, auto* request, auto* responder, Tag* tag) {
                                service_.RequestConvert(context, &request->bytes, responder, queue, queue, tag);
                              });
  });
  methods_.slots().Serve([this, queue, &serving_queue](CallSlots& slots) {
    ServeStream<ConvertStreamForm>(serving_queue, copiers_, slots, environment_,
                                   [this, queue](auto* context, auto* stream, Tag* tag) {
                                     service_.RequestConvertStream(context, stream, queue, queue, tag);
                                   });
  });
  methods_.Serve<&Service::RequestGetServerInfo>(service_, queue, std::bind_front(&TensorService::GetServerInfo, this));
  methods_.Serve<&Service::RequestListModels>(service_, queue, std::bind_front(&TensorService::ListModels, this));
}

absl::Status TensorService::GetServerInfo(const v1::GetServerInfoRequest&, v1::GetServerInfoResponse& response) const {
  response.set_version(TENSORFERRY_VERSION);
  response.set_torch_version(environment_.torch_version);
  response.set_max_message_bytes(environment_.max_message_bytes);
  response.set_max_tensor_bytes(environment_.limits.max_tensor_bytes);
  response.set_recommended_chunk_bytes(kChunkBytes);
  response.set_max_ndim(static_cast<std::int32_t>(kMaxNdim));
  for (const DTypeInfo& dtype : kDTypes) *response.add_dtypes() = ToProto(dtype);
  response.add_features("models");
  if (environment_.regions.enabled()) response.add_features("shared_memory");
  return absl::OkStatus();
}

absl::Status TensorService::ListModels(const v1::ListModelsRequest&, v1::ListModelsResponse& response) const {
  for (const auto& model : environment_.models.Models()) *response.add_models() = ToProto(model);
  return absl::OkStatus();
}

}  // namespace tensorferry::rpc
