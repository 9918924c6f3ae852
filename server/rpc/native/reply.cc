#include "rpc/native/reply.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/few.h"
#include "base/reversed.h"
#include "base/status.h"
#include "inference/model_info.h"
#include "rpc/native/to_proto.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::rpc {
namespace {

// WireWriter writes fields from the last to the first.

// The tag and the length of a chunk need no more than this many bytes.
constexpr std::uint64_t kChunkOverhead = 16;

enum class Elements { kInside, kInChunks };

void WriteReceipt(WireWriter& writer, const inference::Receipt& receipt) {
  if (receipt.digest) {
    writer.Text(v1::Receipt::kDigestFieldNumber,
                {reinterpret_cast<const char*>(receipt.digest->data()), receipt.digest->size()});
  }
  Few<std::int64_t> adjustments;
  if (receipt.byte_order_swapped) adjustments.push_back(v1::ADJUSTMENT_BYTE_ORDER_SWAPPED);
  if (receipt.bools_normalized) adjustments.push_back(v1::ADJUSTMENT_BOOL_NORMALIZED);
  writer.Packed(v1::Receipt::kAdjustmentsFieldNumber, adjustments);
  writer.Varint(v1::Receipt::kDtypeEqualFieldNumber, receipt.dtype_equal ? 1 : 0);
  writer.Text(v1::Receipt::kNumpyDtypeFieldNumber, Info(receipt.dtype).name);
  writer.Text(v1::Receipt::kSourceDtypeFieldNumber, receipt.source_dtype);
}

void WriteMetadata(WireWriter& writer, const inference::TensorResult& result) {
  const inference::TensorMetadata& metadata = result.metadata;
  if (result.receipt) {
    const std::size_t end = writer.size();
    WriteReceipt(writer, *result.receipt);
    writer.Nested(v1::TensorMetadata::kReceiptFieldNumber, end);
  }
  writer.Text(v1::TensorMetadata::kDeviceFieldNumber, metadata.device);
  writer.Varint(v1::TensorMetadata::kNbytesFieldNumber, static_cast<std::uint64_t>(metadata.nbytes));
  writer.Varint(v1::TensorMetadata::kItemsizeFieldNumber, static_cast<std::uint64_t>(metadata.itemsize));
  writer.Varint(v1::TensorMetadata::kNumelFieldNumber, static_cast<std::uint64_t>(metadata.numel));
  writer.Packed(v1::TensorMetadata::kStridesFieldNumber, metadata.strides);
  writer.Packed(v1::TensorMetadata::kShapeFieldNumber, metadata.shape);
  writer.Text(v1::TensorMetadata::kDtypeFieldNumber, metadata.dtype);
  writer.Text(v1::TensorMetadata::kNameFieldNumber, metadata.name);
}

void WritePlace(WireWriter& writer, std::string_view region, std::uint64_t offset, std::uint64_t nbytes) {
  const std::size_t end = writer.size();
  writer.Varint(v1::SharedMemoryRange::kNbytesFieldNumber, nbytes);
  writer.Varint(v1::SharedMemoryRange::kOffsetFieldNumber, offset);
  writer.Text(v1::SharedMemoryRange::kRegionFieldNumber, region);
  writer.Nested(v1::Tensor::kSharedMemoryFieldNumber, end);
}

// `end_of_results` counts the tensors and outputs of the response up to the last of `results`.
void WriteTensors(WireWriter& writer, int field, const std::vector<inference::TensorResult>& results, Elements elements,
                  const WrittenElements& written, std::size_t end_of_results) {
  for (const inference::TensorResult& result : Reversed(results)) {
    const std::size_t end = writer.size();
    --end_of_results;
    if (const auto offset = written.offsets.empty() ? std::nullopt : written.offsets[end_of_results]) {
      WritePlace(writer, written.region, *offset, static_cast<std::uint64_t>(result.metadata.nbytes));
    }
    if (result.elements) {
      if (elements == Elements::kInside) {
        writer.OneofBytes(v1::Tensor::kDataFieldNumber, result.elements->bytes, result.elements->owner);
      } else {
        writer.OneofVarint(v1::Tensor::kChunkedNbytesFieldNumber, result.elements->bytes.size());
      }
    }
    const std::size_t metadata_end = writer.size();
    WriteMetadata(writer, result);
    writer.Nested(v1::Tensor::kMetadataFieldNumber, metadata_end);
    writer.Nested(field, end);
  }
}

void WriteTiming(WireWriter& writer, const Response& response) {
  const auto varint = [&](int field, std::chrono::nanoseconds time) {
    writer.Varint(field, static_cast<std::uint64_t>(time.count()));
  };
  varint(v1::Timing::kComputeNsFieldNumber, response.result.compute_time);
  varint(v1::Timing::kQueueNsFieldNumber, response.result.queue_time);
  varint(v1::Timing::kConvertNsFieldNumber, response.result.convert_time);
  varint(v1::Timing::kReceiveNsFieldNumber, response.receive_time);
}

// Writes a ConvertResponse.
void WriteResponse(WireWriter& writer, const Response& response, Elements elements) {
  writer.Clear();
  const std::size_t end = writer.size();
  WriteTiming(writer, response);
  writer.Nested(v1::ConvertResponse::kTimingFieldNumber, end);
  const std::vector<inference::TensorResult>& tensors = response.result.tensors;
  const std::vector<inference::TensorResult>& outputs = response.result.outputs;
  WriteTensors(writer, v1::ConvertResponse::kOutputsFieldNumber, outputs, elements, response.written,
               tensors.size() + outputs.size());
  WriteTensors(writer, v1::ConvertResponse::kTensorsFieldNumber, tensors, elements, response.written, tensors.size());
  writer.Text(v1::ConvertResponse::kModelVersionFieldNumber, response.result.model_version);
  writer.Text(v1::ConvertResponse::kModelNameFieldNumber, response.result.model_name);
  writer.Text(v1::ConvertResponse::kRequestIdFieldNumber, response.request_id);
}

// Writes a ConvertStreamResponse whose part is the response.
void WriteStreamResponse(WireWriter& writer, const Response& response, Elements elements) {
  WriteResponse(writer, response, elements);
  writer.Nested(v1::ConvertStreamResponse::kResponseFieldNumber, 0);
}

OutgoingMessage EncodeChunk(const inference::TensorElements& chunk) {
  WireWriter writer;
  writer.OneofBytes(v1::ConvertStreamResponse::kChunkFieldNumber, chunk.bytes, chunk.owner);
  return writer.Finish();
}

absl::Status TooLarge(std::size_t size, std::uint64_t max_message_bytes, std::string_view advice) {
  return MakeError(
      Reason::kTensorTooLarge,
      fmt::format("the response needs {} bytes, a message holds at most {}; {}", size, max_message_bytes, advice),
      {.field = "response", .actual = fmt::to_string(size), .limit = fmt::to_string(max_message_bytes)});
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

std::size_t ChunkBytesWithin(std::uint64_t max_message_bytes) {
  return std::min<std::size_t>(kChunkBytes, max_message_bytes - std::min(max_message_bytes - 1, kChunkOverhead));
}

absl::StatusOr<OutgoingMessage> EncodeResponse(const Response& response, std::uint64_t max_message_bytes,
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
  if (fits) return encoded;
  const std::size_t chunk_bytes = ChunkBytesWithin(max_message_bytes);
  std::vector<inference::TensorElements> chunked;
  for (const auto* results : {&response.result.outputs, &response.result.tensors}) {
    for (const inference::TensorResult& result : Reversed(*results)) {
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
  return EncodedResponse(OutgoingMessage(&slice, 1));
}

}  // namespace tensorferry::rpc
