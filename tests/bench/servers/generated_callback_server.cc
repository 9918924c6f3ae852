// generated_callback_server serves with generated code and gRPC's callback API.
//
//   generated_callback_server [--tuned] ADDRESS...
#include <grpcpp/grpcpp.h>

#include "clone_conversion.h"
#include "generated_answer.h"
#include "listen.h"
#include "tensorferry/v1/tensor_service.grpc.pb.h"

namespace tensorferry::bench {
namespace {

// StreamReactor reads a message, answers it, and reads on once the answer is written.
class StreamReactor final : public grpc::ServerBidiReactor<v1::ConvertStreamRequest, v1::ConvertStreamResponse> {
 public:
  StreamReactor() { StartRead(&part_); }

  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    response_.Clear();
    const grpc::Status status = Answer(part_.request(), *response_.mutable_response());
    if (!status.ok()) return Finish(status);
    StartWrite(&response_);
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::CANCELLED);
    StartRead(&part_);
  }

  void OnDone() override { delete this; }

 private:
  v1::ConvertStreamRequest part_;
  v1::ConvertStreamResponse response_;
};

class CallbackTensorService final : public v1::TensorService::CallbackService {
 public:
  grpc::ServerUnaryReactor* Convert(grpc::CallbackServerContext* context, const v1::ConvertRequest* request,
                                    v1::ConvertResponse* response) override {
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(Answer(*request, *response));
    return reactor;
  }

  grpc::ServerBidiReactor<v1::ConvertStreamRequest, v1::ConvertStreamResponse>* ConvertStream(
      grpc::CallbackServerContext*) override {
    return new StreamReactor;
  }

  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* context, const v1::GetServerInfoRequest*,
                                          v1::GetServerInfoResponse* response) override {
    FillServerInfo(*response);
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

}  // namespace
}  // namespace tensorferry::bench

int main(int argc, char** argv) {
  const auto arguments = tensorferry::bench::ReadArguments(argc, argv);
  tensorferry::bench::UseOneTorchThread();
  tensorferry::bench::CallbackTensorService service;
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  tensorferry::bench::Listen(arguments, builder)->Wait();
}
