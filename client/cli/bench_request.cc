#include "bench_request.h"

#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::cli {
namespace {

using google::protobuf::io::CodedOutputStream;

constexpr std::size_t kMaxCopied = 1024;  // Bytes.

// A field that holds `nbytes` bytes, without them.
std::string FieldHead(int number, std::size_t nbytes) {
  constexpr std::uint32_t kLengthDelimited = 2;
  std::array<std::uint8_t, 15> head;  // Two varints, of at most 5 and 10 bytes.
  std::uint8_t* end =
      CodedOutputStream::WriteVarint32ToArray(static_cast<std::uint32_t>(number) << 3 | kLengthDelimited, head.data());
  end = CodedOutputStream::WriteVarint64ToArray(nbytes, end);
  return {head.data(), end};
}

grpc::ByteBuffer ToMessage(std::string head, std::span<const std::byte> elements) {
  if (elements.size() <= kMaxCopied) {
    head.append(reinterpret_cast<const char*>(elements.data()), elements.size());
    const grpc::Slice slice(head);
    return {&slice, 1};
  }
  const std::array slices{grpc::Slice(head), grpc::Slice(elements.data(), elements.size(), grpc::Slice::STATIC_SLICE)};
  return {slices.data(), slices.size()};
}

// `request` and one array, up to the first byte of its elements: fields that stand before others are written first.
std::string Head(const v1::ConvertRequest& request, const v1::Array& array, std::size_t nbytes) {
  const std::string array_head = array.SerializeAsString() + FieldHead(v1::Array::kDataFieldNumber, nbytes);
  return request.SerializeAsString() + FieldHead(v1::ConvertRequest::kArraysFieldNumber, array_head.size() + nbytes) +
         array_head;
}

std::vector<grpc::ByteBuffer> InChunks(v1::ConvertRequest request, const v1::Array& array,
                                       std::span<const std::byte> elements, std::size_t chunk_bytes) {
  *request.add_arrays() = array;
  request.mutable_arrays(0)->set_chunked_nbytes(elements.size());
  const std::string text = request.SerializeAsString();
  std::vector<grpc::ByteBuffer> messages;
  messages.push_back(ToMessage(FieldHead(v1::ConvertStreamRequest::kRequestFieldNumber, text.size()) + text, {}));
  while (!elements.empty()) {
    const auto chunk = elements.first(std::min(elements.size(), chunk_bytes));
    messages.push_back(ToMessage(FieldHead(v1::ConvertStreamRequest::kChunkFieldNumber, chunk.size()), chunk));
    elements = elements.subspan(chunk.size());
  }
  return messages;
}

}  // namespace

std::vector<grpc::ByteBuffer> MakeBenchRequest(const client::Array& array, const BenchRequestOptions& options) {
  v1::ConvertRequest request;
  request.set_model_name(options.model);
  if (options.digest) request.set_digest(v1::DIGEST_ALGORITHM_XXH3_128);
  v1::Array wire;
  wire.set_name(array.name);
  wire.set_dtype(array.dtype);
  wire.mutable_shape()->Add(array.shape.begin(), array.shape.end());

  if (options.mode == BenchMode::kChunks) return InChunks(request, wire, array.bytes, options.chunk_bytes);
  std::string head = Head(request, wire, array.bytes.size());
  if (options.mode == BenchMode::kStream) {
    head = FieldHead(v1::ConvertStreamRequest::kRequestFieldNumber, head.size() + array.bytes.size()) + head;
  }
  return {ToMessage(std::move(head), array.bytes)};
}

}  // namespace tensorferry::cli
