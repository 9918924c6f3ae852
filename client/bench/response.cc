#include "bench/response.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <limits>

#include "base/status.h"
#include "lib/response_assembler.h"
#include "lib/server_error.h"
#include "tensorferry/client/verify.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::cli {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// ForEachField calls `read(number)` for each field up to the end of the input or of the innermost limit. `read` either
// consumes the field's value, or returns false, and the value is skipped.
template <typename Read>
bool ForEachField(CodedInputStream& input, Read read) {
  while (const std::uint32_t tag = input.ReadTag()) {
    if (!read(WireFormatLite::GetTagFieldNumber(tag)) && !WireFormatLite::SkipField(&input, tag)) return false;
  }
  return input.ConsumedEntireMessage() || input.BytesUntilLimit() == 0;
}

template <typename Read>
bool ForEachFieldOfMessage(CodedInputStream& input, Read read) {
  std::uint32_t nbytes = 0;
  if (!input.ReadVarint32(&nbytes) || nbytes > std::numeric_limits<int>::max()) return false;
  const CodedInputStream::Limit limit = input.PushLimit(static_cast<int>(nbytes));
  const bool read_all = ForEachField(input, read) && input.BytesUntilLimit() == 0;
  input.PopLimit(limit);
  return read_all;
}

bool ReadTiming(CodedInputStream& input, client::Timing& timing) {
  return ForEachFieldOfMessage(input, [&](int number) {
    std::uint64_t value = 0;
    const auto into = [&](std::chrono::nanoseconds& field) {
      const bool read = input.ReadVarint64(&value);
      field = std::chrono::nanoseconds(value);
      return read;
    };
    switch (number) {
      case v1::Timing::kReceiveNsFieldNumber: return into(timing.receive);
      case v1::Timing::kConvertNsFieldNumber: return into(timing.convert);
      case v1::Timing::kQueueNsFieldNumber: return into(timing.queue);
      case v1::Timing::kComputeNsFieldNumber: return into(timing.compute);
      default: return false;
    }
  });
}

bool ReadTensor(CodedInputStream& input, std::uint64_t& chunked_nbytes) {
  return ForEachFieldOfMessage(input, [&](int number) {
    std::uint64_t nbytes = 0;
    if (number != v1::Tensor::kChunkedNbytesFieldNumber || !input.ReadVarint64(&nbytes)) return false;
    chunked_nbytes += nbytes;
    return true;
  });
}

// Reads a field of ConvertResponse.
bool ReadResponseField(CodedInputStream& input, int number, BenchMessage& message) {
  switch (number) {
    case v1::ConvertResponse::kErrorFieldNumber: message.has_error = true; return false;  // ReadError reads it.
    case v1::ConvertResponse::kTensorsFieldNumber:
    case v1::ConvertResponse::kOutputsFieldNumber: return ReadTensor(input, message.chunked_nbytes);
    case v1::ConvertResponse::kTimingFieldNumber: return ReadTiming(input, message.timing);
    default: return false;
  }
}

bool ReadPart(CodedInputStream& input, int number, BenchMessage& message) {
  std::uint32_t nbytes = 0;
  switch (number) {
    case v1::ConvertStreamResponse::kResponseFieldNumber:
      return ForEachFieldOfMessage(input, [&](int field) { return ReadResponseField(input, field, message); });
    case v1::ConvertStreamResponse::kChunkFieldNumber:
      if (!input.ReadVarint32(&nbytes) || !input.Skip(static_cast<int>(nbytes))) return false;
      message.is_chunk = true;
      message.chunk_bytes = nbytes;
      return true;
    default: return false;
  }
}

template <typename Message>
bool Parse(grpc::ByteBuffer& bytes, Message& message) {
  grpc::ProtoBufferReader reader(&bytes);
  return message.ParseFromZeroCopyStream(&reader);
}

absl::StatusOr<v1::ConvertResponse> ParseResponse(grpc::ByteBuffer& bytes, Framing framing) {
  v1::ConvertResponse response;
  v1::ConvertStreamResponse part;
  const bool parsed = framing == Framing::kCall ? Parse(bytes, response) : Parse(bytes, part);
  if (!parsed) return absl::InternalError("the server sent a message that does not parse");
  if (framing == Framing::kStream) response = std::move(*part.mutable_response());
  return response;
}

}  // namespace

absl::StatusOr<BenchMessage> ReadMessage(grpc::ByteBuffer& bytes, Framing framing) {
  grpc::ProtoBufferReader reader(&bytes);
  CodedInputStream input(&reader);
  BenchMessage message;
  const bool read = ForEachField(input, [&](int number) {
    return framing == Framing::kCall ? ReadResponseField(input, number, message) : ReadPart(input, number, message);
  });
  if (!read) return absl::InternalError("the server sent a message that does not parse");
  return message;
}

absl::Status ReadError(grpc::ByteBuffer& message) {
  TENSORFERRY_ASSIGN_OR_RETURN(const v1::ConvertResponse response, ParseResponse(message, Framing::kStream));
  return client::FromProto(response.error());
}

absl::Status CheckResponse(grpc::ByteBuffer& message, Framing framing, std::span<const client::Array> sent,
                           bool digest) {
  TENSORFERRY_ASSIGN_OR_RETURN(v1::ConvertResponse wire, ParseResponse(message, framing));
  if (static_cast<std::size_t>(wire.tensors_size()) != sent.size()) {
    return absl::InternalError(
        fmt::format("{} arrays were sent, the server answered with {} tensors", sent.size(), wire.tensors_size()));
  }
  wire.clear_outputs();  // The tensors' elements may follow in chunks.
  TENSORFERRY_ASSIGN_OR_RETURN(const client::Response response, client::ToResponse(std::move(wire)));
  for (std::size_t i = 0; i < sent.size(); ++i) {
    TENSORFERRY_ASSIGN_OR_RETURN(const client::Verdict verdict, client::Verify(sent[i], response.tensors[i]));
    if (!verdict.dtype_equal) return absl::InternalError("the tensor's dtype is not the array's");
    if (!verdict.shape_equal) return absl::InternalError("the tensor's shape is not the array's");
    if (digest && !verdict.digest_equal) return absl::InternalError("the tensor's digest is not the array's");
  }
  return absl::OkStatus();
}

}  // namespace tensorferry::cli
