#include "rpc/native/reply.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/model_info.h"
#include "rpc/native/to_proto.h"

namespace tensorferry::rpc {
namespace {

// The numbers of proto/tensorferry/v1/tensor_service.proto stand here as they do there: a test decodes what is written
// with protobuf's own parser. Fields are written from the last to the first.

// At least the bytes of a chunk's tag and length.
constexpr std::uint64_t kChunkOverhead = 16;

enum class Elements { kInside, kInChunks };

void WriteReceipt(WireWriter& writer, const inference::Receipt& receipt) {
  if (receipt.digest) {
    writer.Text(5, {reinterpret_cast<const char*>(receipt.digest->data()), receipt.digest->size()});
  }
  Few<std::int64_t> adjustments;
  if (receipt.byte_order_swapped) adjustments.push_back(1);
  if (receipt.bools_normalized) adjustments.push_back(2);
  writer.Packed(4, adjustments);
  writer.Varint(3, receipt.dtype_equal ? 1 : 0);
  writer.Text(2, receipt.numpy_dtype);
  writer.Text(1, receipt.source_dtype);
}

void WriteMetadata(WireWriter& writer, const inference::TensorResult& result) {
  const inference::TensorMetadata& metadata = result.metadata;
  if (result.receipt) {
    const std::size_t end = writer.size();
    WriteReceipt(writer, *result.receipt);
    writer.Nested(9, end);
  }
  writer.Text(8, metadata.device);
  writer.Varint(7, static_cast<std::uint64_t>(metadata.nbytes));
  writer.Varint(6, static_cast<std::uint64_t>(metadata.itemsize));
  writer.Varint(5, static_cast<std::uint64_t>(metadata.numel));
  writer.Packed(4, metadata.strides);
  writer.Packed(3, metadata.shape);
  writer.Text(2, metadata.dtype);
  writer.Text(1, metadata.name);
}

void WriteTensors(WireWriter& writer, int field, const Few<inference::TensorResult>& results, Elements elements) {
  for (const inference::TensorResult& result : std::views::reverse(results)) {
    const std::size_t end = writer.size();
    if (result.elements) {
      if (elements == Elements::kInside) {
        writer.OneofBytes(2, result.elements->bytes, result.elements->owner);
      } else {
        writer.OneofVarint(3, result.elements->bytes.size());
      }
    }
    const std::size_t metadata_end = writer.size();
    WriteMetadata(writer, result);
    writer.Nested(1, metadata_end);
    writer.Nested(field, end);
  }
}

void WriteTiming(WireWriter& writer, const Response& response) {
  const auto varint = [&](int field, std::chrono::nanoseconds time) {
    writer.Varint(field, static_cast<std::uint64_t>(time.count()));
  };
  varint(4, response.result.compute_time);
  varint(3, response.result.queue_time);
  varint(2, response.result.convert_time);
  varint(1, response.receive_time);
}

// Writes a ConvertResponse.
void WriteResponse(WireWriter& writer, const Response& response, Elements elements) {
  writer.Clear();
  const std::size_t end = writer.size();
  WriteTiming(writer, response);
  writer.Nested(7, end);
  WriteTensors(writer, 6, response.result.outputs, elements);
  WriteTensors(writer, 5, response.result.tensors, elements);
  writer.Text(4, response.result.model_version);
  writer.Text(3, response.result.model_name);
  writer.Text(1, response.request_id);
}

// Writes a ConvertStreamResponse whose part is the response.
void WriteStreamResponse(WireWriter& writer, const Response& response, Elements elements) {
  WriteResponse(writer, response, elements);
  writer.Nested(1, 0);
}

grpc::ByteBuffer EncodeChunk(const inference::TensorElements& chunk) {
  WireWriter writer;
  writer.OneofBytes(2, chunk.bytes, chunk.owner);
  return writer.Finish();
}

absl::Status TooLarge(std::size_t size, std::uint64_t max_message_bytes, std::string_view advice) {
  return MakeError(
      Reason::kTensorTooLarge,
      fmt::format("the response needs {} bytes, a message holds at most {}; {}", size, max_message_bytes, advice),
      {.actual = fmt::to_string(size), .limit = fmt::to_string(max_message_bytes)});
}

absl::Status CheckNoStrings(const Response& response) {
  for (const inference::TensorResult& output : response.result.outputs) {
    if (output.metadata.dtype != inference::kStrings) continue;
    return MakeError(
        Reason::kInputMismatch,
        fmt::format("output {} is of strings, which are no tensor: inference.GRPCInferenceService sends them",
                    Quote(output.metadata.name)),
        {.field = "requested_outputs", .actual = Quote(output.metadata.name)});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<grpc::ByteBuffer> EncodeResponse(const Response& response, std::uint64_t max_message_bytes,
                                                WireWriter& writer) {
  TENSORFERRY_RETURN_IF_ERROR(CheckNoStrings(response));
  WriteResponse(writer, response, Elements::kInside);
  if (writer.size() > max_message_bytes) {
    return TooLarge(writer.size(), max_message_bytes, "use ConvertStream, which sends it in chunks");
  }
  return writer.Finish();
}

absl::StatusOr<EncodedResponse> EncodeStreamResponse(Response response, std::uint64_t max_message_bytes,
                                                     WireWriter& writer) {
  TENSORFERRY_RETURN_IF_ERROR(CheckNoStrings(response));
  WriteStreamResponse(writer, response, Elements::kInside);
  const bool fits = writer.size() <= max_message_bytes;
  if (!fits) WriteStreamResponse(writer, response, Elements::kInChunks);
  if (writer.size() > max_message_bytes) {
    return TooLarge(writer.size(), max_message_bytes, "send fewer arrays in a request");
  }
  EncodedResponse encoded(writer.Finish());
  encoded.Keep(std::move(response.pass));
  if (fits) return encoded;
  const std::size_t chunk_bytes =
      std::min<std::size_t>(kChunkBytes, max_message_bytes - std::min(max_message_bytes - 1, kChunkOverhead));
  std::vector<inference::TensorElements> chunked;
  for (const auto* results : {&response.result.outputs, &response.result.tensors}) {
    for (const inference::TensorResult& result : std::views::reverse(*results)) {
      if (result.elements && !result.elements->bytes.empty()) chunked.push_back(*result.elements);
    }
  }
  encoded.AddChunks(std::move(chunked), chunk_bytes, EncodeChunk);
  return encoded;
}

EncodedResponse EncodeRefusal(const std::string& request_id, const absl::Status& error) {
  v1::ConvertStreamResponse message;
  message.mutable_response()->set_request_id(request_id);
  *message.mutable_response()->mutable_error() = ToProtoError(error);
  const grpc::Slice slice(message.SerializeAsString());
  return EncodedResponse(grpc::ByteBuffer(&slice, 1));
}

}  // namespace tensorferry::rpc
