#include "rpc/native/wire_reader.h"

#include <cstdint>

#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::rpc {
namespace {

bool ReadArray(Cursor& cursor, ArrayView& array) {
  std::size_t length = 0;
  if (!cursor.ReadLength(length)) return false;
  const std::size_t end = cursor.position() + length;
  FieldOrder order(kNoneRepeated);
  const auto read_payload = [&](PayloadKind kind) {
    if (array.payload != PayloadKind::kNone) return false;
    array.payload = kind;
    return kind == PayloadKind::kChunked ? cursor.ReadVarint(array.chunked_nbytes) : cursor.ReadBytes(array.bytes);
  };
  const auto read_field = [&](std::uint8_t tag) {
    switch (tag) {
      case SmallTag(v1::Array::kNameFieldNumber, kLengthDelimited): return cursor.ReadText(array.name);
      case SmallTag(v1::Array::kDtypeFieldNumber, kLengthDelimited): return cursor.ReadText(array.dtype);
      case SmallTag(v1::Array::kShapeFieldNumber, kLengthDelimited): return ReadShape(cursor, array.shape);
      case SmallTag(v1::Array::kFortranOrderFieldNumber, kVarint): return cursor.ReadBool(array.fortran_order);
      case SmallTag(v1::Array::kDataFieldNumber, kLengthDelimited): return read_payload(PayloadKind::kData);
      case SmallTag(v1::Array::kNpyFieldNumber, kLengthDelimited): return read_payload(PayloadKind::kNpy);
      case SmallTag(v1::Array::kChunkedNbytesFieldNumber, kVarint): return read_payload(PayloadKind::kChunked);
      default: return false;
    }
  };
  while (cursor.position() < end) {
    std::uint8_t tag = 0;
    if (!cursor.ReadByte(tag) || !order.Accept(tag) || !read_field(tag)) return false;
  }
  return cursor.position() == end;
}

bool ReadPlace(Cursor& cursor, SharedPlace& place) {
  using Range = v1::SharedMemoryRange;
  std::size_t length = 0;
  if (!cursor.ReadLength(length)) return false;
  const std::size_t end = cursor.position() + length;
  FieldOrder order(kNoneRepeated);
  const auto read_field = [&](std::uint8_t tag) {
    switch (tag) {
      case SmallTag(Range::kRegionFieldNumber, kLengthDelimited): return cursor.ReadText(place.region);
      case SmallTag(Range::kOffsetFieldNumber, kVarint): return cursor.ReadVarint(place.offset);
      case SmallTag(Range::kNbytesFieldNumber, kVarint): return cursor.ReadVarint(place.nbytes);
      default: return false;
    }
  };
  while (cursor.position() < end) {
    std::uint8_t tag = 0;
    if (!cursor.ReadByte(tag) || !order.Accept(tag) || !read_field(tag)) return false;
  }
  return cursor.position() == end;
}

bool ReadRequest(Cursor& cursor, std::size_t end, RequestView& view) {
  using Request = v1::ConvertRequest;
  view.requested_outputs.clear();
  view.arrays.clear();
  view.request_id = view.model_name = view.model_version = {};
  std::uint8_t fidelity = 0;
  std::uint8_t digest = 0;
  view.return_data = false;
  view.output_memory.reset();
  const auto read_output = [&] {
    if (view.requested_outputs.size() == kMaxArrays) return false;
    return cursor.ReadText(view.requested_outputs.emplace_back());
  };
  const auto read_array = [&] {
    return view.arrays.size() < kMaxArrays && ReadArray(cursor, view.arrays.emplace_back());
  };
  const auto read_place = [&] { return !view.output_memory && ReadPlace(cursor, view.output_memory.emplace()); };
  const auto read_field = [&](std::uint8_t tag) {
    switch (tag) {
      case SmallTag(Request::kRequestIdFieldNumber, kLengthDelimited): return cursor.ReadText(view.request_id);
      case SmallTag(Request::kModelNameFieldNumber, kLengthDelimited): return cursor.ReadText(view.model_name);
      case SmallTag(Request::kModelVersionFieldNumber, kLengthDelimited): return cursor.ReadText(view.model_version);
      case SmallTag(Request::kFidelityFieldNumber, kVarint): return cursor.ReadSmall(fidelity);
      case SmallTag(Request::kDigestFieldNumber, kVarint): return cursor.ReadSmall(digest);
      case SmallTag(Request::kReturnDataFieldNumber, kVarint): return cursor.ReadBool(view.return_data);
      case SmallTag(Request::kRequestedOutputsFieldNumber, kLengthDelimited): return read_output();
      case SmallTag(Request::kArraysFieldNumber, kLengthDelimited): return read_array();
      case SmallTag(Request::kOutputMemoryFieldNumber, kLengthDelimited): return read_place();
      default: return false;
    }
  };
  FieldOrder order(/*first_repeated=*/Request::kRequestedOutputsFieldNumber);
  while (cursor.position() < end) {
    std::uint8_t tag = 0;
    if (!cursor.ReadByte(tag) || !order.Accept(tag) || !read_field(tag)) return false;
  }
  view.strict = fidelity == v1::FIDELITY_STRICT;
  view.digest = digest == v1::DIGEST_ALGORITHM_XXH3_128;
  return cursor.position() == end;
}

}  // namespace

bool ReadConvertRequest(std::span<const Bytes> message, WireScratch& scratch, RequestView& view) {
  Cursor cursor(message, scratch);
  return ReadRequest(cursor, cursor.size(), view);
}

bool ReadStreamRequest(std::span<const Bytes> message, WireScratch& scratch, StreamPart& part, RequestView& view,
                       ScatteredBytes& chunk) {
  Cursor cursor(message, scratch);
  std::uint8_t tag = 0;
  if (!cursor.ReadByte(tag)) return false;
  switch (tag) {
    case SmallTag(v1::ConvertStreamRequest::kRequestFieldNumber, kLengthDelimited): {
      std::size_t length = 0;
      part = StreamPart::kRequest;
      return cursor.ReadLength(length) && cursor.position() + length == cursor.size() &&
             ReadRequest(cursor, cursor.size(), view);
    }
    case SmallTag(v1::ConvertStreamRequest::kChunkFieldNumber, kLengthDelimited):
      part = StreamPart::kChunk;
      return cursor.ReadBytes(chunk) && cursor.position() == cursor.size();
    default: return false;
  }
}

}  // namespace tensorferry::rpc
