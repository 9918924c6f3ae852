#pragma once

#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/byte_buffer.h>

#include <utility>

#include "rpc/serve/grpc_call.h"

namespace tensorferry::rpc {

// StreamCall stands for the calls of one streaming method, one after another. Messages are bytes. The class is
// abstract, so that unit tests can put a stream of their own in place of gRPC's.
class StreamCall : public OpenStream<grpc::ServerAsyncReaderWriterInterface<grpc::ByteBuffer, grpc::ByteBuffer>> {
 public:
  // `co_await call.NextCall()`: true once the next call has come, false if the server is shut down.
  virtual Operation::Wait NextCall() = 0;
};

// GrpcStreamCall stands for the calls of a method of a gRPC service.
// `Expect` is the service's Request… method, bound to a queue: void(context, stream, tag).
template <typename Expect>
class GrpcStreamCall final
    : public AsyncStreamCall<grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>, StreamCall> {
 public:
  explicit GrpcStreamCall(Expect expect) : expect_(std::move(expect)) {}

  Operation::Wait NextCall() override { return this->Next(expect_); }

 private:
  Expect expect_;
};

}  // namespace tensorferry::rpc
