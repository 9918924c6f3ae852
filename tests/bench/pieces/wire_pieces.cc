// These pieces read a message and write one, beside what protobuf's own code does for it.
#include <benchmark/benchmark.h>
#include <grpcpp/impl/grpc_library.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <optional>
#include <string>
#include <vector>

#include "rpc/call/incoming_message.h"
#include "rpc/native/reply.h"
#include "rpc/native/request_decoder.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::rpc {
namespace {

const grpc::internal::GrpcLibraryInitializer grpc_library;  // Buffers call gRPC's core.

constexpr std::size_t kSlice = 64 * 1024;  // gRPC reads so much from a TCP connection at once.

std::string Request(std::size_t nbytes) {
  v1::ConvertRequest request;
  v1::Array& array = *request.add_arrays();
  array.set_name("x");
  array.set_dtype("float32");
  array.add_shape(static_cast<std::int64_t>(nbytes / 4));
  array.set_data(std::string(nbytes, '\1'));
  return request.SerializeAsString();
}

// InSlices cuts `text` as it arrives: 1 MiB of elements are 17 slices.
grpc::ByteBuffer InSlices(std::string_view text) {
  std::vector<grpc::Slice> slices;
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, kSlice);
    slices.emplace_back(piece.data(), piece.size());
    text.remove_prefix(piece.size());
  }
  return {slices.data(), slices.size()};
}

void ReadInPlace(benchmark::State& state) {
  IncomingMessage<ConvertDecoder> message;
  message.bytes = InSlices(Request(static_cast<std::size_t>(state.range(0))));
  for (auto _ : state) {
    if (!message.Decode().ok()) state.SkipWithError("refused");
    benchmark::DoNotOptimize(message.decoded().request().arrays.data());
  }
}
BENCHMARK(ReadInPlace)->Arg(64)->Arg(1 << 20);

// ParseWithProtobuf does what generated code does with every request; it copies the elements.
void ParseWithProtobuf(benchmark::State& state) {
  grpc::ByteBuffer bytes = InSlices(Request(static_cast<std::size_t>(state.range(0))));
  v1::ConvertRequest request;
  for (auto _ : state) {
    grpc::ProtoBufferReader reader(&bytes);
    if (!request.ParseFromZeroCopyStream(&reader)) state.SkipWithError("refused");
    benchmark::DoNotOptimize(request.arrays().data());
  }
}
BENCHMARK(ParseWithProtobuf)->Arg(64)->Arg(1 << 20);

Response ResponseToOneArray() {
  Response response;
  response.result.tensors.push_back(
      {.metadata = {.name = "x",
                    .dtype = "float32",
                    .shape = {16},
                    .strides = {1},
                    .numel = 16,
                    .itemsize = 4,
                    .nbytes = 64,
                    .device = "cpu"},
       .receipt = inference::Receipt{.source_dtype = "float32", .dtype = DType::kFloat32, .dtype_equal = true}});
  response.result.convert_time = std::chrono::nanoseconds(1'000);
  response.receive_time = std::chrono::nanoseconds(100'000);
  return response;
}

void EncodeReply(benchmark::State& state) {
  const Response response = ResponseToOneArray();
  WireWriter writer;
  for (auto _ : state) benchmark::DoNotOptimize(EncodeResponse(response, 1 << 20, writer));
}
BENCHMARK(EncodeReply);

// SerializeWithProtobuf fills one of protobuf's messages and serialises it into a slice, as generated code does.
void SerializeWithProtobuf(benchmark::State& state) {
  const Response answer = ResponseToOneArray();
  const inference::TensorResult& result = *answer.result.tensors.begin();
  for (auto _ : state) {
    v1::ConvertResponse response;
    v1::TensorMetadata& metadata = *response.add_tensors()->mutable_metadata();
    metadata.set_name(result.metadata.name);
    metadata.set_dtype(result.metadata.dtype);
    metadata.mutable_shape()->Assign(result.metadata.shape.begin(), result.metadata.shape.end());
    metadata.mutable_strides()->Assign(result.metadata.strides.begin(), result.metadata.strides.end());
    metadata.set_numel(result.metadata.numel);
    metadata.set_itemsize(static_cast<std::int32_t>(result.metadata.itemsize));
    metadata.set_nbytes(result.metadata.nbytes);
    metadata.set_device(result.metadata.device);
    v1::Receipt& receipt = *metadata.mutable_receipt();
    receipt.set_source_dtype(result.receipt->source_dtype);
    receipt.set_numpy_dtype("float32");
    receipt.set_dtype_equal(true);
    response.mutable_timing()->set_receive_ns(100'000);
    response.mutable_timing()->set_convert_ns(1'000);
    grpc::Slice slice(response.ByteSizeLong());
    response.SerializeWithCachedSizesToArray(const_cast<std::uint8_t*>(slice.begin()));
    benchmark::DoNotOptimize(grpc::ByteBuffer(&slice, 1));
  }
}
BENCHMARK(SerializeWithProtobuf);

}  // namespace
}  // namespace tensorferry::rpc
