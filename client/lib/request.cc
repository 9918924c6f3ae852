#include "lib/request.h"

#include <ranges>
#include <utility>

#include "base/status.h"
#include "lib/elements.h"
#include "payload/element_copy.h"
#include "rpc/wire/wire_writer.h"

namespace tensorferry::client {
namespace {

// The numbers of proto/tensorferry/v1/tensor_service.proto stand here as they do there: tests read what is written with
// protobuf's own parser. Fields are written from the last to the first.
constexpr int kStreamRequest = 1, kStreamChunk = 2;
constexpr int kStrict = 2, kXxh3 = 1;

struct DeclaredArray {
  Array array;
  std::size_t swap_width = 1;  // As in ChunkedElements.
};

// The array as it is declared where its elements follow in chunks: a .npy file's header becomes fields. A dtype that
// has a name only cannot be declared big-endian: its elements are swapped before they are sent.
absl::StatusOr<DeclaredArray> Declared(const Array& array, Fidelity fidelity) {
  if (array.form == Array::Form::kElements) return DeclaredArray{array};
  TENSORFERRY_ASSIGN_OR_RETURN(const Elements elements, CheckElements(array, fidelity));
  const ArrayHeader& header = elements.header;
  const bool named = DTypeByName(header.source_dtype()).has_value();
  return DeclaredArray{.array = {.name = array.name,
                                 .dtype = header.source_dtype(),
                                 .shape = {header.shape().begin(), header.shape().end()},
                                 .fortran_order = header.fortran_order(),
                                 .bytes = elements.bytes,
                                 .owner = array.owner},
                       .swap_width = named && header.byte_swapped() ? Info(header.dtype()).swap_width : 1};
}

void WriteArray(rpc::WireWriter& writer, const Array& array, Placement placement) {
  const std::size_t end = writer.size();
  if (array.form == Array::Form::kNpy) {
    writer.OneofBytes(6, array.bytes, array.owner);
  } else {
    if (placement == Placement::kInChunks && !array.bytes.empty()) {
      writer.OneofVarint(7, array.bytes.size());
    } else {
      writer.OneofBytes(5, array.bytes, array.owner);
    }
    writer.Varint(4, array.fortran_order ? 1 : 0);
    writer.Packed(3, array.shape);
  }
  writer.Text(2, array.dtype);
  writer.Text(1, array.name);
  writer.Nested(8, end);
}

void WriteOptions(rpc::WireWriter& writer, const ConvertOptions& options) {
  for (const std::string& output : std::views::reverse(options.requested_outputs)) writer.RepeatedText(7, output);
  writer.Varint(6, options.return_data ? 1 : 0);
  writer.Varint(5, options.digest ? kXxh3 : 0);
  writer.Varint(4, options.fidelity == Fidelity::kStrict ? kStrict : 0);
  writer.Text(3, options.model_version);
  writer.Text(2, options.model_name);
  writer.Text(1, options.request_id);
}

grpc::ByteBuffer Encode(std::span<const Array> arrays, const ConvertOptions& options, Framing framing,
                        Placement placement) {
  rpc::WireWriter writer;
  for (const Array& array : std::views::reverse(arrays)) WriteArray(writer, array, placement);
  WriteOptions(writer, options);
  if (framing == Framing::kStream) writer.Nested(kStreamRequest, 0);
  return writer.Finish();
}

}  // namespace

Placement PlacementOf(std::span<const Array> arrays) {
  std::uint64_t total = 0;
  for (const Array& array : arrays) total += array.bytes.size();
  return total <= kMaxInlineBytes ? Placement::kInside : Placement::kInChunks;
}

absl::StatusOr<PreparedRequest> PrepareRequest(std::span<const Array> arrays, const ConvertOptions& options,
                                               Framing framing, Placement placement) {
  if (placement == Placement::kInside) {
    return PreparedRequest{.message = Encode(arrays, options, framing, placement), .chunked = {}};
  }
  std::vector<Array> declared;
  PreparedRequest request;
  for (const Array& array : arrays) {
    TENSORFERRY_ASSIGN_OR_RETURN(DeclaredArray plain, Declared(array, options.fidelity));
    if (plain.swap_width > 1) request.swapped.push_back(declared.size());
    if (!plain.array.bytes.empty()) {
      request.chunked.push_back({plain.array.bytes, plain.array.owner, plain.swap_width});
    }
    declared.push_back(std::move(plain.array));
  }
  request.message = Encode(declared, options, framing, placement);
  return request;
}

grpc::ByteBuffer ChunkMessage(const ChunkedElements& chunk) {
  rpc::WireWriter writer;
  if (chunk.swap_width > 1) {
    const auto swapped = std::make_shared<std::vector<std::byte>>(chunk.bytes.begin(), chunk.bytes.end());
    SwapBytes(*swapped, chunk.swap_width);
    writer.OneofBytes(kStreamChunk, *swapped, swapped);
  } else {
    writer.OneofBytes(kStreamChunk, chunk.bytes, chunk.owner);
  }
  return writer.Finish();
}

}  // namespace tensorferry::client
