#include "canned_replies.h"

#include <fmt/format.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <cstdio>
#include <cstdlib>

#include "payload/dtype_text.h"
#include "rpc/native/reply.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::bench {
namespace {

template <typename Message>
Message Parse(grpc::ByteBuffer& bytes) {
  Message message;
  grpc::ProtoBufferReader reader(&bytes);
  if (message.ParseFromZeroCopyStream(&reader)) return message;
  fmt::print(stderr, "a request does not parse\n");
  std::exit(1);
}

// Describe says what a server that does all of its work would say of the array.
void Describe(const v1::Array& array, v1::Tensor& tensor) {
  const auto source = ParseDType(array.dtype(), Fidelity::kConvert);
  const std::string name(source.ok() ? Info(source->dtype).name : "unknown");
  const auto itemsize = static_cast<int>(source.ok() ? Info(source->dtype).itemsize : 0);
  v1::TensorMetadata& metadata = *tensor.mutable_metadata();
  metadata.set_name(array.name());
  metadata.set_dtype(name);
  *metadata.mutable_shape() = array.shape();
  std::int64_t numel = 1;
  for (const std::int64_t dim : array.shape()) numel *= dim;
  metadata.add_strides(1);  // `tensorferry bench` sends one dimension.
  metadata.set_numel(numel);
  metadata.set_itemsize(itemsize);
  metadata.set_nbytes(numel * itemsize);
  metadata.set_device("cpu");
  v1::Receipt& receipt = *metadata.mutable_receipt();
  receipt.set_source_dtype(array.dtype());
  receipt.set_numpy_dtype(name);
  receipt.set_dtype_equal(true);
}

v1::ConvertResponse Answer(const v1::ConvertRequest& request) {
  v1::ConvertResponse response;
  for (const v1::Array& array : request.arrays()) Describe(array, *response.add_tensors());
  response.mutable_timing()->set_receive_ns(100'000);
  response.mutable_timing()->set_convert_ns(1'000);
  return response;
}

grpc::ByteBuffer ToBytes(const google::protobuf::Message& message) {
  const grpc::Slice slice(message.SerializeAsString());
  return {&slice, 1};
}

}  // namespace

const grpc::ByteBuffer& CannedReplies::For(grpc::ByteBuffer& request) {
  const auto [row, is_new] = by_length_.try_emplace(request.Length());
  if (is_new) row->second = ToBytes(Answer(Parse<v1::ConvertRequest>(request)));
  return row->second;
}

CannedStreamReply::CannedStreamReply(grpc::ByteBuffer& request) {
  const auto part = Parse<v1::ConvertStreamRequest>(request);
  v1::ConvertStreamResponse response;
  *response.mutable_response() = Answer(part.request());
  bytes = ToBytes(response);
  std::size_t nbytes = 0;
  for (const v1::Array& array : part.request().arrays()) nbytes += array.chunked_nbytes();
  chunks = (nbytes + rpc::kChunkBytes - 1) / rpc::kChunkBytes;
}

}  // namespace tensorferry::bench
