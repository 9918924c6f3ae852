#include "rpc/tensor_service.h"

#include <fmt/format.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/impl/rpc_service_method.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/method_handler.h>

#include <exception>
#include <new>
#include <utility>

#include "base/status.h"
#include "payload/dtype.h"
#include "rpc/convert_stream.h"
#include "rpc/error.h"
#include "rpc/message_guard.h"
#include "rpc/to_proto.h"

namespace tensorferry::rpc {
namespace {

template <typename Message>
absl::StatusOr<Message> Parse(const grpc::ByteBuffer& bytes, MessageKind kind) {
  TENSORFERRY_RETURN_IF_ERROR(CheckMetadataSize(bytes, kind));
  Message message;
  grpc::ByteBuffer source = bytes;  // Counts a reference; deserialising empties it.
  if (!grpc::SerializationTraits<Message>::Deserialize(&source, &message).ok()) {
    return MakeError(Reason::kBadChunk,
                     fmt::format("the message does not parse as {}", Message::descriptor()->full_name()),
                     {.field = "message", .actual = fmt::format("{} bytes", bytes.Length())});
  }
  return message;
}

template <typename Message>
grpc::ByteBuffer Serialize(const Message& message) {
  grpc::ByteBuffer bytes;
  bool owned = false;
  grpc::SerializationTraits<Message>::Serialize(message, &bytes, &owned);
  return bytes;
}

absl::Status CheckCaller(const grpc::ServerContext& context) {
  if (!context.IsCancelled()) return absl::OkStatus();
  return context.deadline() <= std::chrono::system_clock::now()
             ? MakeError(Reason::kDeadline, "the call's deadline has passed")
             : MakeError(Reason::kCancelled, "the call was cancelled");
}

// Run a handler. Nothing that a request makes us throw leaves it: it would end the process.
template <typename Handler>
grpc::Status Guard(std::string_view method, Handler&& handler) {
  absl::Status status;
  try {
    status = handler();
  } catch (const std::bad_alloc&) {
    status = MakeError(Reason::kMemoryBudget, "the system has no memory for this request now",
                       {.retry_after = std::chrono::milliseconds(1000)});
  } catch (const std::exception& error) {
    status = MakeError(Reason::kInternal, "internal error", {.log_text = error.what()});
  }
  if (status.ok()) return grpc::Status::OK;
  LogError(method, status);
  return ToGrpcStatus(status);
}

}  // namespace

TensorService::TensorService(const CallEnvironment& environment) : environment_(environment) {
  using grpc::internal::BidiStreamingHandler;
  using grpc::internal::RpcMethod;
  using grpc::internal::RpcMethodHandler;
  const auto add = [this](const char* name, RpcMethod::RpcType type, grpc::internal::MethodHandler* handler) {
    AddMethod(new grpc::internal::RpcServiceMethod(name, type, handler));
  };
  // gRPC keeps the addresses of the names: they are literals.
  add("/tensorferry.v1.TensorService/Convert", RpcMethod::NORMAL_RPC,
      new RpcMethodHandler<TensorService, grpc::ByteBuffer, grpc::ByteBuffer>(
          [](TensorService* self, grpc::ServerContext* context, const grpc::ByteBuffer* request,
             grpc::ByteBuffer* response) { return self->Convert(context, request, response); },
          this));
  add("/tensorferry.v1.TensorService/ConvertStream", RpcMethod::BIDI_STREAMING,
      new BidiStreamingHandler<TensorService, grpc::ByteBuffer, grpc::ByteBuffer>(
          [](TensorService* self, grpc::ServerContext* context, ByteStream* stream) {
            return self->ConvertStream(context, stream);
          },
          this));
  add("/tensorferry.v1.TensorService/GetServerInfo", RpcMethod::NORMAL_RPC,
      new RpcMethodHandler<TensorService, v1::GetServerInfoRequest, v1::GetServerInfoResponse>(
          [](TensorService* self, grpc::ServerContext* context, const v1::GetServerInfoRequest* request,
             v1::GetServerInfoResponse* response) { return self->GetServerInfo(context, request, response); },
          this));
  add("/tensorferry.v1.TensorService/ListModels", RpcMethod::NORMAL_RPC,
      new RpcMethodHandler<TensorService, v1::ListModelsRequest, v1::ListModelsResponse>(
          [](TensorService* self, grpc::ServerContext* context, const v1::ListModelsRequest* request,
             v1::ListModelsResponse* response) { return self->ListModels(context, request, response); },
          this));
}

grpc::Status TensorService::Convert(grpc::ServerContext* context, const grpc::ByteBuffer* request,
                                    grpc::ByteBuffer* response) {
  return Guard("Convert", [&]() -> absl::Status {
    TENSORFERRY_ASSIGN_OR_RETURN(const v1::ConvertResponse message, ConvertOne(*context, *request));
    *response = Serialize(message);
    return absl::OkStatus();
  });
}

absl::StatusOr<v1::ConvertResponse> TensorService::ConvertOne(const grpc::ServerContext& context,
                                                              const grpc::ByteBuffer& bytes) {
  TENSORFERRY_ASSIGN_OR_RETURN(const v1::ConvertRequest request,
                               Parse<v1::ConvertRequest>(bytes, MessageKind::kConvertRequest));
  TENSORFERRY_ASSIGN_OR_RETURN(ConvertCall call,
                               ConvertCall::Start(request, ConvertCall::Chunks::kRefused, environment_));
  TENSORFERRY_RETURN_IF_ERROR(CheckCaller(context));
  TENSORFERRY_ASSIGN_OR_RETURN(const Answer answer, std::move(call).Finish());
  TENSORFERRY_RETURN_IF_ERROR(CheckCaller(context));
  return ToOneMessage(answer, environment_.max_message_bytes);
}

grpc::Status TensorService::ConvertStream(grpc::ServerContext* context, ByteStream* stream) {
  return Guard("ConvertStream", [&] { return ConvertAll(*context, *stream); });
}

absl::Status TensorService::ConvertAll(const grpc::ServerContext& context, ByteStream& stream) {
  ConvertStreamSession session(
      environment_, [&](const v1::ConvertStreamResponse& response) { return stream.Write(Serialize(response)); });
  for (grpc::ByteBuffer bytes; stream.Read(&bytes);) {
    TENSORFERRY_ASSIGN_OR_RETURN(const auto message,
                                 Parse<v1::ConvertStreamRequest>(bytes, MessageKind::kConvertStreamRequest));
    TENSORFERRY_RETURN_IF_ERROR(CheckCaller(context));
    TENSORFERRY_RETURN_IF_ERROR(session.OnMessage(message));
  }
  TENSORFERRY_RETURN_IF_ERROR(CheckCaller(context));
  return session.OnEnd();
}

grpc::Status TensorService::GetServerInfo(grpc::ServerContext*, const v1::GetServerInfoRequest*,
                                          v1::GetServerInfoResponse* response) {
  response->set_version(TENSORFERRY_VERSION);
  response->set_torch_version(environment_.pipeline.TorchVersion());
  response->set_max_message_bytes(environment_.max_message_bytes);
  response->set_max_tensor_bytes(environment_.limits.max_tensor_bytes);
  response->set_recommended_chunk_bytes(kChunkBytes);
  response->set_max_ndim(static_cast<std::int32_t>(kMaxNdim));
  for (const DTypeInfo& dtype : kDTypes) *response->add_dtypes() = ToProto(dtype);
  response->add_features("models");
  return grpc::Status::OK;
}

grpc::Status TensorService::ListModels(grpc::ServerContext*, const v1::ListModelsRequest*,
                                       v1::ListModelsResponse* response) {
  for (const inference::ModelInfo& model : environment_.pipeline.Models()) *response->add_models() = ToProto(model);
  return grpc::Status::OK;
}

}  // namespace tensorferry::rpc
