#pragma once

#include <grpcpp/impl/service_type.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/sync_stream.h>

#include "rpc/convert_call.h"
#include "tensorferry/v1/tensor_service.grpc.pb.h"

namespace tensorferry::rpc {

// tensorferry.v1.TensorService: transport above, meaning below. Each handler runs on a thread of gRPC's.
//
// Convert and ConvertStream take raw bytes and parse them here, because only so can a message that does not parse be
// told from the end of a stream. Generated synchronous services have no raw methods, so the four are registered by
// hand.
class TensorService final : public grpc::Service {
 public:
  explicit TensorService(const CallEnvironment& environment);

 private:
  using ByteStream = grpc::ServerReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>;

  grpc::Status Convert(grpc::ServerContext* context, const grpc::ByteBuffer* request, grpc::ByteBuffer* response);
  grpc::Status ConvertStream(grpc::ServerContext* context, ByteStream* stream);
  grpc::Status GetServerInfo(grpc::ServerContext* context, const v1::GetServerInfoRequest* request,
                             v1::GetServerInfoResponse* response);
  grpc::Status ListModels(grpc::ServerContext* context, const v1::ListModelsRequest* request,
                          v1::ListModelsResponse* response);

  absl::StatusOr<v1::ConvertResponse> ConvertOne(const grpc::ServerContext& context, const grpc::ByteBuffer& bytes);
  absl::Status ConvertAll(const grpc::ServerContext& context, ByteStream& stream);

  const CallEnvironment environment_;
};

}  // namespace tensorferry::rpc
