#include "web/convert_message.h"

#include <cstddef>
#include <span>

#include "rpc/wire/wire_cursor.h"
#include "rpc/wire/wire_writer.h"

namespace tensorferry::web {
namespace {

using rpc::SmallTag;

// ConvertSlices is what the pieces of an answer refer to.
struct ConvertSlices {
  std::vector<grpc::Slice> slices;
  std::vector<Bytes> pieces;
};

template <typename Message>
bool ParsePart(rpc::Cursor& cursor, Message& message) {
  ScatteredBytes bytes;
  return cursor.ReadBytes(bytes) && message.ParseFromString(bytes.First(bytes.size()));
}

bool ReadElements(rpc::Cursor& cursor, std::vector<std::string_view>& elements) {
  ScatteredBytes bytes;
  if (!cursor.ReadBytes(bytes)) return false;
  bytes
      .ForEachRun([&](Bytes run) {
        elements.emplace_back(reinterpret_cast<const char*>(run.data()), run.size());
        return absl::OkStatus();
      })
      .IgnoreError();  // The function above returns no error.
  return true;
}

bool ReadTensor(rpc::Cursor& cursor, ConvertedArray& converted) {
  std::size_t nbytes = 0;
  if (!cursor.ReadLength(nbytes)) return false;
  const std::size_t end = cursor.position() + nbytes;
  while (cursor.position() < end) {
    std::uint8_t tag = 0;
    if (!cursor.ReadByte(tag)) return false;
    bool read = false;
    if (tag == SmallTag(v1::Tensor::kMetadataFieldNumber, rpc::kLengthDelimited)) {
      read = ParsePart(cursor, converted.metadata);
    } else if (tag == SmallTag(v1::Tensor::kDataFieldNumber, rpc::kLengthDelimited)) {
      read = ReadElements(cursor, converted.elements);
    }
    if (!read) return false;
  }
  return cursor.position() == end;
}

}  // namespace

grpc::ByteBuffer ConvertMessage(const FileArray& array, const ConvertOptions& options) {
  rpc::WireWriter writer;  // Writes fields from the last to the first.
  const auto& [memory, bytes] = array.content;
  if (array.is_npy) {
    writer.OneofBytes(v1::Array::kNpyFieldNumber, bytes, memory);
  } else {
    writer.OneofBytes(v1::Array::kDataFieldNumber, bytes, memory);
    writer.Packed(v1::Array::kShapeFieldNumber, array.shape);
  }
  writer.Text(v1::Array::kDtypeFieldNumber, array.dtype);
  writer.Text(v1::Array::kNameFieldNumber, array.name);
  writer.Nested(v1::ConvertRequest::kArraysFieldNumber, 0);
  writer.Varint(v1::ConvertRequest::kReturnDataFieldNumber, options.return_data ? 1 : 0);
  writer.Varint(v1::ConvertRequest::kDigestFieldNumber, v1::DIGEST_ALGORITHM_XXH3_128);
  writer.Varint(v1::ConvertRequest::kFidelityFieldNumber,
                options.strict ? v1::FIDELITY_STRICT : v1::FIDELITY_UNSPECIFIED);
  writer.Text(v1::ConvertRequest::kRequestIdFieldNumber, options.request_id);
  return writer.Finish().Take();
}

bool ReadConvertedArray(const grpc::ByteBuffer& bytes, ConvertedArray& converted) {
  const auto kept = std::make_shared<ConvertSlices>();
  if (!bytes.Dump(&kept->slices).ok()) return false;
  for (const grpc::Slice& slice : kept->slices) {
    if (slice.size() > 0) kept->pieces.push_back(std::as_bytes(std::span(slice.begin(), slice.size())));
  }
  rpc::WireScratch scratch;
  rpc::Cursor cursor(kept->pieces, scratch);
  int tensors = 0;
  while (cursor.position() < cursor.size()) {
    std::uint8_t tag = 0;
    if (!cursor.ReadByte(tag)) return false;
    bool read = false;
    if (tag == SmallTag(v1::ConvertResponse::kTensorsFieldNumber, rpc::kLengthDelimited)) {
      ++tensors;
      read = ReadTensor(cursor, converted);
    } else if (tag == SmallTag(v1::ConvertResponse::kTimingFieldNumber, rpc::kLengthDelimited)) {
      read = ParsePart(cursor, converted.timing);
    } else if (rpc::IsLengthDelimited(tag)) {
      ScatteredBytes echoed;
      read = cursor.ReadBytes(echoed);
    }
    if (!read) return false;
  }
  converted.owner = kept;
  return tensors == 1;
}

}  // namespace tensorferry::web
