#include "rpc/native/tensor_service.h"

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
#include "rpc/serve/error.h"
#include "rpc/serve/guarded.h"
#include "rpc/serve/unary_handler.h"

namespace tensorferry::rpc {
namespace {

// The form of Convert.
class ConvertForm {
 public:
  using Message = IncomingMessage<RequestDecoder>;

  explicit ConvertForm(const CallEnvironment& environment) : environment_(environment) {}

  absl::StatusOr<Intake> Start(Message& message) {
    TENSORFERRY_RETURN_IF_ERROR(message.Decode(MessageKind::kConvertRequest));
    return Intake::Start(message.decoded().request(), Intake::Chunks::kRefused, environment_);
  }

  absl::StatusOr<grpc::ByteBuffer> Encode(const Response& answer, WireWriter& writer) const {
    return EncodeResponse(answer, environment_.max_message_bytes, writer);
  }

  void LetGo() {}  // Of nothing.
  static grpc::Status EndOf(const absl::Status& status) { return rpc::FinalStatus("Convert", status); }

 private:
  const CallEnvironment& environment_;
};

class ConvertRun final : public StreamRun {
 public:
  ConvertRun(Intake call, HeldMessage message, const AsyncCall& caller, const CallEnvironment& environment)
      : StreamRun(std::move(call), std::move(message), caller), environment_(environment) {}

  EncodedResponse TakeReply(WireWriter& writer) override {
    auto reply = Guarded([&]() -> absl::StatusOr<EncodedResponse> {
      TENSORFERRY_ASSIGN_OR_RETURN(Response answer, TakeResponse());
      return EncodeStreamResponse(std::move(answer), environment_.max_message_bytes, writer);
    });
    return reply.ok() ? *std::move(reply) : RefuseInStream(request_id(), reply.status());
  }

 private:
  const CallEnvironment& environment_;
};

// The form of ConvertStream.
class ConvertStreamForm : public ConvertStreamSession {
 public:
  using Message = IncomingMessage<RequestDecoder>;
  static grpc::Status EndOf(const absl::Status& status) { return rpc::FinalStatus("ConvertStream", status); }

  ConvertStreamForm(const CallEnvironment& environment, const AsyncCall& caller)
      : ConvertStreamSession(environment), environment_(environment), caller_(caller) {}

  // What the message says, taken over. Its memory is needed afterwards only if a model runs.
  absl::Status Take(Message& message) {
    return Guarded([&]() -> absl::Status {
      TENSORFERRY_RETURN_IF_ERROR(message.Decode(MessageKind::kConvertStreamRequest));
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
  slots_.Serve([this, queue, &serving_queue](CallSlots& slots) {
    ServeRequest<ConvertForm>(serving_queue, copiers_, slots, environment_,
                              [this, queue](auto* context, auto* request, auto* responder, Tag* tag) {
                                service_.RequestConvert(context, &request->bytes, responder, queue, queue, tag);
                              });
  });
  slots_.Serve([this, queue, &serving_queue](CallSlots& slots) {
    ServeStream<ConvertStreamForm>(serving_queue, copiers_, slots, environment_,
                                   [this, queue](auto* context, auto* stream, Tag* tag) {
                                     service_.RequestConvertStream(context, stream, queue, queue, tag);
                                   });
  });
  slots_.Serve([this, queue](CallSlots& slots) {
    ServeUnary<v1::GetServerInfoRequest, v1::GetServerInfoResponse>(
        slots,
        [this, queue](auto* context, auto* request, auto* responder, Tag* tag) {
          service_.RequestGetServerInfo(context, request, responder, queue, queue, tag);
        },
        [this](const v1::GetServerInfoRequest&, v1::GetServerInfoResponse& response) {
          FillServerInfo(response);
          return grpc::Status::OK;
        });
  });
  slots_.Serve([this, queue](CallSlots& slots) {
    ServeUnary<v1::ListModelsRequest, v1::ListModelsResponse>(
        slots,
        [this, queue](auto* context, auto* request, auto* responder, Tag* tag) {
          service_.RequestListModels(context, request, responder, queue, queue, tag);
        },
        [this](const v1::ListModelsRequest&, v1::ListModelsResponse& response) {
          for (const auto& model : environment_.pipeline.Models()) *response.add_models() = ToProto(model);
          return grpc::Status::OK;
        });
  });
}

void TensorService::FillServerInfo(v1::GetServerInfoResponse& response) const {
  response.set_version(TENSORFERRY_VERSION);
  response.set_torch_version(environment_.pipeline.TorchVersion());
  response.set_max_message_bytes(environment_.max_message_bytes);
  response.set_max_tensor_bytes(environment_.limits.max_tensor_bytes);
  response.set_recommended_chunk_bytes(kChunkBytes);
  response.set_max_ndim(static_cast<std::int32_t>(kMaxNdim));
  for (const DTypeInfo& dtype : kDTypes) *response.add_dtypes() = ToProto(dtype);
  response.add_features("models");
  if (environment_.regions.enabled()) response.add_features("shared_memory");
}

}  // namespace tensorferry::rpc
