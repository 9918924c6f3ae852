// These functions compare two ways to read a message. Protobuf's own parser is the oracle.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "rpc/call/request_view.h"
#include "rpc/library_versions.h"
#include "rpc/native/from_proto.h"
#include "rpc/native/request_decoder.h"
#include "tensorferry/v1/tensor_service.pb.h"
#include "testing/decoded.h"

namespace tensorferry {

// Reading is what a message was read as. `part` says whether `request` or `chunk` counts.
struct Reading {
  Reading(rpc::StreamPart the_part, const rpc::RequestView& the_request, const ScatteredBytes& the_chunk)
      : part(the_part), request(the_request), chunk(the_chunk) {}
  explicit Reading(const rpc::RequestDecoder& decoder) : Reading(decoder.part(), decoder.request(), decoder.chunk()) {}

  rpc::StreamPart part;
  const rpc::RequestView& request;
  const ScatteredBytes& chunk;
};

// protobuf_silencer keeps protobuf from logging each of thousands of messages that do not parse.
inline const rpc::QuietLibraries protobuf_silencer;

// ProtobufReading is a message as ParseFromString reads it.
class ProtobufReading {
 public:
  ProtobufReading(const std::string& message, MessageKind kind) {
    const bool unary = kind == MessageKind::kConvertRequest;
    parses_ = unary ? message_.mutable_request()->ParseFromString(message) : message_.ParseFromString(message);
    if (message_.has_request()) {
      part_ = rpc::StreamPart::kRequest;
      rpc::FromProto(message_.request(), pieces_, request_);
    } else if (message_.has_chunk()) {
      part_ = rpc::StreamPart::kChunk;
      pieces_ = {std::as_bytes(std::span(message_.chunk()))};
      chunk_ = ScatteredBytes(pieces_.data(), 0, pieces_[0].size());
    }
  }
  ProtobufReading(const ProtobufReading&) = delete;
  ProtobufReading& operator=(const ProtobufReading&) = delete;

  bool parses() const { return parses_; }
  Reading reading() const { return {part_, request_, chunk_}; }

 private:
  v1::ConvertStreamRequest message_;
  std::vector<Bytes> pieces_;
  bool parses_ = false;
  rpc::StreamPart part_ = rpc::StreamPart::kNone;
  rpc::RequestView request_;
  ScatteredBytes chunk_;
};

// Equal compares all bytes, and those from the middle on: Skip must find its way through the pieces.
inline bool Equal(const ScatteredBytes& a, const ScatteredBytes& b) {
  return a == b && a.Skip(a.size() / 2) == b.Skip(a.size() / 2);
}

// Difference returns kUnnamedField if operator== of a view finds a difference that it cannot name, so that no field is
// forgotten.
inline constexpr std::string_view kUnnamedField = "a field that Difference does not name";

// Difference names the first field in which two arrays differ, or returns "".
inline std::string_view Difference(const rpc::ArrayView& a, const rpc::ArrayView& b) {
  if (a.name != b.name) return "name";
  if (a.dtype != b.dtype) return "dtype";
  if (a.shape != b.shape) return "shape";
  if (a.fortran_order != b.fortran_order) return "fortran_order";
  if (a.payload != b.payload) return "payload";
  if (!Equal(a.bytes, b.bytes)) return "bytes";
  if (a.chunked_nbytes != b.chunked_nbytes) return "chunked_nbytes";
  if (a.region != b.region) return "region";
  if (a.shared_offset != b.shared_offset) return "shared_offset";
  if (a.shared_nbytes != b.shared_nbytes) return "shared_nbytes";
  return a == b ? "" : kUnnamedField;
}

inline std::string_view Difference(const rpc::RequestView& a, const rpc::RequestView& b) {
  if (a.request_id != b.request_id) return "request_id";
  if (a.model_name != b.model_name) return "model_name";
  if (a.model_version != b.model_version) return "model_version";
  if (a.strict != b.strict) return "strict";
  if (a.digest != b.digest) return "digest";
  if (a.return_data != b.return_data) return "return_data";
  if (a.requested_outputs != b.requested_outputs) return "requested_outputs";
  if (a.arrays.size() != b.arrays.size()) return "number of arrays";
  for (std::size_t i = 0; i < a.arrays.size(); ++i) {
    const std::string_view difference = Difference(a.arrays[i], b.arrays[i]);
    if (!difference.empty()) return difference;
  }
  if (a.output_memory != b.output_memory) return "output_memory";
  return a == b ? "" : kUnnamedField;
}

inline std::string_view Difference(const Reading& a, const Reading& b) {
  if (a.part != b.part) return "part";
  switch (a.part) {
    case rpc::StreamPart::kNone: return "";
    case rpc::StreamPart::kRequest: return Difference(a.request, b.request);
    case rpc::StreamPart::kChunk: return Equal(a.chunk, b.chunk) ? "" : "chunk";
  }
  __builtin_unreachable();
}

// InPlaceReading is a message read in place, if it can be.
struct InPlaceReading {
  InPlaceReading(std::span<const Bytes> message, MessageKind kind)
      : done(kind == MessageKind::kConvertRequest ? rpc::ReadConvertRequest(message, scratch, request)
                                                  : rpc::ReadStreamRequest(message, scratch, part, request, chunk)) {}
  InPlaceReading(const InPlaceReading&) = delete;
  InPlaceReading& operator=(const InPlaceReading&) = delete;

  Reading reading() const { return {part, request, chunk}; }

  rpc::WireScratch scratch;
  rpc::StreamPart part = rpc::StreamPart::kRequest;
  rpc::RequestView request;
  ScatteredBytes chunk;
  bool done;
};

// Mistake says what is wrong with reading a message in place, or returns "". A message that is not read in place is not
// read wrong.
inline std::string_view Mistake(const InPlaceReading& in_place, const ProtobufReading& expected) {
  if (!in_place.done) return "";
  return expected.parses() ? Difference(in_place.reading(), expected.reading()) : "protobuf does not parse it";
}

// DecoderMistake says what is wrong with what a decoder makes of a message, or returns "". The decoder must read a
// message if and only if protobuf does, but for messages that it refuses as too large.
inline std::string_view DecoderMistake(std::span<const Bytes> message, MessageKind kind,
                                       const ProtobufReading& expected) {
  DecoderOfEither decoder;
  const absl::Status status = decoder.Decode(message, kind);
  if (!status.ok() && DescribeError(status).reason == Reason::kTensorTooLarge) return "";
  const bool decoded = status.ok();
  if (decoded != expected.parses()) return decoded ? "protobuf does not parse it" : "protobuf parses it";
  return decoded ? Difference(Reading(decoder.last()), expected.reading()) : "";
}

}  // namespace tensorferry
