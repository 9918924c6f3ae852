// generated_sync_server serves as most people would write it: with generated code and gRPC's synchronous API.
//
//   generated_sync_server [--tuned] ADDRESS...
#include <grpcpp/grpcpp.h>

#include "clone_conversion.h"
#include "generated_answer.h"
#include "listen.h"
#include "tensorferry/v1/tensor_service.grpc.pb.h"

namespace tensorferry::bench {
namespace {

class SyncTensorService final : public v1::TensorService::Service {
 public:
  grpc::Status Convert(grpc::ServerContext*, const v1::ConvertRequest* request,
                       v1::ConvertResponse* response) override {
    return Answer(*request, *response);
  }

  grpc::Status ConvertStream(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::ConvertStreamResponse, v1::ConvertStreamRequest>* stream) override {
    for (v1::ConvertStreamRequest part; stream->Read(&part);) {
      v1::ConvertStreamResponse response;
      if (grpc::Status status = Answer(part.request(), *response.mutable_response()); !status.ok()) return status;
      if (!stream->Write(response)) return grpc::Status::CANCELLED;
    }
    return grpc::Status::OK;
  }

  grpc::Status GetServerInfo(grpc::ServerContext*, const v1::GetServerInfoRequest*,
                             v1::GetServerInfoResponse* response) override {
    FillServerInfo(*response);
    return grpc::Status::OK;
  }
};

}  // namespace
}  // namespace tensorferry::bench

int main(int argc, char** argv) {
  const auto arguments = tensorferry::bench::ReadArguments(argc, argv);
  tensorferry::bench::UseOneTorchThread();
  tensorferry::bench::SyncTensorService service;
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  tensorferry::bench::Listen(arguments, builder)->Wait();
}
