#include "lib/request.h"

#include <utility>

#include "base/reversed.h"
#include "base/status.h"
#include "lib/elements.h"
#include "lib/sealed_memory.h"
#include "lib/side_connection.h"
#include "payload/element_copy.h"
#include "rpc/wire/wire_writer.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::client {
namespace {

// rpc::WireWriter writes fields from the last to the first.

// Travel says how the parts of a request travel.
struct Travel {
  Framing framing;
  Placement placement;
  std::span<const Region> regions = {};  // kInRegions: those of the arrays with elements, in order.
};

struct DeclaredArray {
  Array array;
  std::size_t swap_width = 1;  // As ChunkedElements::swap_width.
};

// Declared returns the array as the message declares it if its elements follow in chunks: the header of a .npy file
// becomes fields. The field `dtype` cannot say that a dtype without a descr of its own is big-endian, so its elements
// are swapped before they are sent.
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

void WriteRegion(rpc::WireWriter& writer, const Region& region, std::uint64_t nbytes) {
  const std::size_t end = writer.size();
  writer.Varint(v1::SharedMemoryRange::kNbytesFieldNumber, nbytes);
  writer.Text(v1::SharedMemoryRange::kRegionFieldNumber, region.name());
  writer.Nested(v1::Array::kSharedMemoryFieldNumber, end);
}

// `region` has the elements of an array that has any, and travels in one; null for others.
void WriteArray(rpc::WireWriter& writer, const Array& array, Placement placement, const Region* region) {
  const std::size_t end = writer.size();
  if (array.form == Array::Form::kNpy) {
    writer.OneofBytes(v1::Array::kNpyFieldNumber, array.bytes, array.owner);
  } else {
    if (region != nullptr) {
      WriteRegion(writer, *region, array.bytes.size());
    } else if (placement == Placement::kInChunks && !array.bytes.empty()) {
      writer.OneofVarint(v1::Array::kChunkedNbytesFieldNumber, array.bytes.size());
    } else {
      writer.OneofBytes(v1::Array::kDataFieldNumber, array.bytes, array.owner);
    }
    writer.Varint(v1::Array::kFortranOrderFieldNumber, array.fortran_order ? 1 : 0);
    writer.Packed(v1::Array::kShapeFieldNumber, array.shape);
  }
  writer.Text(v1::Array::kDtypeFieldNumber, array.dtype);
  writer.Text(v1::Array::kNameFieldNumber, array.name);
  writer.Nested(v1::ConvertRequest::kArraysFieldNumber, end);
}

void WriteOptions(rpc::WireWriter& writer, const ConvertOptions& options) {
  using Request = v1::ConvertRequest;
  for (const std::string& output : Reversed(options.requested_outputs)) {
    writer.RepeatedText(Request::kRequestedOutputsFieldNumber, output);
  }
  writer.Varint(Request::kReturnDataFieldNumber, options.return_data ? 1 : 0);
  const bool strict = options.fidelity == Fidelity::kStrict;
  writer.Varint(Request::kDigestFieldNumber,
                options.digest ? v1::DIGEST_ALGORITHM_XXH3_128 : v1::DIGEST_ALGORITHM_UNSPECIFIED);
  writer.Varint(Request::kFidelityFieldNumber, strict ? v1::FIDELITY_STRICT : v1::FIDELITY_UNSPECIFIED);
  writer.Text(Request::kModelVersionFieldNumber, options.model_version);
  writer.Text(Request::kModelNameFieldNumber, options.model_name);
  writer.Text(Request::kRequestIdFieldNumber, options.request_id);
}

grpc::ByteBuffer Encode(std::span<const Array> arrays, const ConvertOptions& options, const Travel& travel) {
  rpc::WireWriter writer;
  std::size_t regions = travel.regions.size();
  for (const Array& array : Reversed(arrays)) {
    const bool in_region = travel.placement == Placement::kInRegions && !array.bytes.empty();
    WriteArray(writer, array, travel.placement, in_region ? &travel.regions[--regions] : nullptr);
  }
  WriteOptions(writer, options);
  if (travel.framing == Framing::kStream) writer.Nested(v1::ConvertStreamRequest::kRequestFieldNumber, 0);
  return writer.Finish().Take();
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
    return PreparedRequest{.message = Encode(arrays, options, {framing, placement}), .chunked = {}};
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
  request.message = Encode(declared, options, {framing, placement});
  return request;
}

absl::StatusOr<PreparedRequest> PrepareSealedRequest(std::span<const Array> arrays, const ConvertOptions& options,
                                                     Framing framing, SideConnection& side) {
  std::vector<Array> declared;
  PreparedRequest request;
  for (const Array& array : arrays) {
    TENSORFERRY_ASSIGN_OR_RETURN(DeclaredArray plain, Declared(array, options.fidelity));
    if (plain.swap_width > 1) request.swapped.push_back(declared.size());
    const std::span<const std::byte> bytes = plain.array.bytes;
    if (!bytes.empty()) {
      TENSORFERRY_ASSIGN_OR_RETURN(const FileDescriptor memory, SealedCopy({bytes, nullptr, plain.swap_width}));
      TENSORFERRY_ASSIGN_OR_RETURN(Region region, side.HandOver(memory, bytes.size()));
      request.regions.push_back(std::move(region));
    }
    declared.push_back(std::move(plain.array));
  }
  request.message = Encode(declared, options, {framing, Placement::kInRegions, request.regions});
  return request;
}

grpc::ByteBuffer ChunkMessage(const ChunkedElements& chunk) {
  rpc::WireWriter writer;
  if (chunk.swap_width > 1) {
    const auto swapped = std::make_shared<std::vector<std::byte>>(chunk.bytes.begin(), chunk.bytes.end());
    SwapBytes(*swapped, chunk.swap_width);
    writer.OneofBytes(v1::ConvertStreamRequest::kChunkFieldNumber, *swapped, swapped);
  } else {
    writer.OneofBytes(v1::ConvertStreamRequest::kChunkFieldNumber, chunk.bytes, chunk.owner);
  }
  return writer.Finish().Take();
}

}  // namespace tensorferry::client
