#include "lib/request.h"

#include <optional>
#include <utility>

#include "base/reversed.h"
#include "base/status.h"
#include "lib/elements.h"
#include "lib/output_pool.h"
#include "lib/sealed_memory.h"
#include "lib/side_connection.h"
#include "lib/writable_pages.h"
#include "payload/element_copy.h"
#include "rpc/wire/wire_writer.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::client {
namespace {

// rpc::WireWriter writes fields from the last to the first.

// Place says where the elements of an array are.
struct Place {
  Placement placement;
  const Region* region = nullptr;  // Where kInRegions has the elements of an array that has any.
  std::uint64_t offset = 0;        // The bytes of the region before them.
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

// Range is a v1::SharedMemoryRange.
struct Range {
  const std::string& region;
  std::uint64_t offset;
  std::uint64_t nbytes;
};

void WriteRange(rpc::WireWriter& writer, int field, const Range& range) {
  const std::size_t end = writer.size();
  writer.Varint(v1::SharedMemoryRange::kNbytesFieldNumber, range.nbytes);
  writer.Varint(v1::SharedMemoryRange::kOffsetFieldNumber, range.offset);
  writer.Text(v1::SharedMemoryRange::kRegionFieldNumber, range.region);
  writer.Nested(field, end);
}

void WriteArray(rpc::WireWriter& writer, const Array& array, const Place& place) {
  const std::size_t end = writer.size();
  if (array.form == Array::Form::kNpy) {
    writer.OneofBytes(v1::Array::kNpyFieldNumber, array.bytes, array.owner);
  } else {
    if (place.region != nullptr) {
      WriteRange(writer, v1::Array::kSharedMemoryFieldNumber, {place.region->name(), place.offset, array.bytes.size()});
    } else if (place.placement == Placement::kInChunks && !array.bytes.empty()) {
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

// `place_of` returns the Place of the array of an index.
template <typename PlaceOf>
grpc::ByteBuffer Encode(std::span<const Array> arrays, const ConvertOptions& options, const Road& road,
                        PlaceOf&& place_of) {
  rpc::WireWriter writer;
  if (road.outputs != nullptr) {
    WriteRange(writer, v1::ConvertRequest::kOutputMemoryFieldNumber,
               {road.outputs->region(), 0, road.outputs->nbytes()});
  }
  for (std::size_t i = arrays.size(); i-- > 0;) WriteArray(writer, arrays[i], place_of(i));
  WriteOptions(writer, options);
  if (road.framing == Framing::kStream) writer.Nested(v1::ConvertStreamRequest::kRequestFieldNumber, 0);
  return writer.Finish().Take();
}

// Outgoing is an array of a sealed request.
struct Outgoing {
  DeclaredArray declared;                  // Of an array that travels inside: as it is.
  std::optional<SealedElements> elements;  // Where they lie in sealed memory.
  bool kept = false;                       // Whether they lay there before, and may be sent again.
};

std::uint64_t BytesOutside(std::span<const Outgoing> all) {
  std::uint64_t nbytes = 0;
  for (const Outgoing& one : all) {
    if (!one.elements) nbytes += one.declared.array.bytes.size();
  }
  return nbytes;
}

// Finds the elements that lie in sealed memory, and puts copies of others there.
absl::StatusOr<std::vector<Outgoing>> Seal(std::span<const Array> arrays, Fidelity fidelity, const Sealing& sealing) {
  std::vector<Outgoing> all;
  for (const Array& array : arrays) {
    Outgoing& one = all.emplace_back(Outgoing{.declared = {array}, .elements = ElementsIn(array)});
    if (one.elements || array.bytes.size() < sealing.least_own_bytes) continue;
    one.elements = Frozen(array);
    one.kept = one.elements.has_value();
  }
  const std::uint64_t outside = BytesOutside(all);
  if (outside < sealing.least_copied_bytes || outside > sealing.most_copied_bytes) return all;
  for (Outgoing& one : all) {
    if (one.elements || one.declared.array.bytes.empty()) continue;
    TENSORFERRY_ASSIGN_OR_RETURN(one.declared, Declared(one.declared.array, fidelity));
    const std::span<const std::byte> bytes = one.declared.array.bytes;
    if (bytes.empty()) continue;  // A .npy file of no elements.
    TENSORFERRY_ASSIGN_OR_RETURN(one.elements, SealedCopy({bytes, nullptr, one.declared.swap_width}));
  }
  return all;
}

// Makes the elements that travel in messages ready for it. Returns whether they will be there when the request is to be
// sent again.
absl::StatusOr<bool> MakeReady(std::vector<Outgoing>& all, Placement placement, Fidelity fidelity) {
  bool stay = true;
  for (Outgoing& one : all) {
    if (one.elements || one.declared.array.bytes.empty()) continue;
    if (placement == Placement::kInChunks) {
      TENSORFERRY_ASSIGN_OR_RETURN(one.declared, Declared(one.declared.array, fidelity));
      stay = stay && one.declared.array.owner != nullptr && one.declared.swap_width == 1;
      continue;
    }
    if (one.declared.array.owner != nullptr) continue;
    const std::span<const std::byte> bytes = one.declared.array.bytes;
    auto copy = std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end());
    one.declared.array.bytes = *copy;
    one.declared.array.owner = std::move(copy);
  }
  return stay;
}

}  // namespace

Placement PlacementOf(std::span<const Array> arrays, std::uint64_t most_inside) {
  std::uint64_t total = 0;
  for (const Array& array : arrays) total += array.bytes.size();
  return total <= most_inside ? Placement::kInside : Placement::kInChunks;
}

absl::StatusOr<PreparedRequest> PrepareRequest(std::span<const Array> arrays, const ConvertOptions& options,
                                               Framing framing, Placement placement) {
  const auto place_of = [&](std::size_t) { return Place{.placement = placement}; };
  if (placement == Placement::kInside) {
    return PreparedRequest{.message = Encode(arrays, options, framing, place_of), .chunked = {}};
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
  request.message = Encode(declared, options, framing, place_of);
  return request;
}

bool MayComeAgain(std::span<const Array> arrays, std::uint64_t most_inside) {
  return PlacementOf(arrays, most_inside) == Placement::kInside ||
         std::ranges::all_of(arrays, [](const Array& array) { return array.owner != nullptr; });
}

absl::StatusOr<PreparedRequest> PrepareSealedRequest(std::span<const Array> arrays, const ConvertOptions& options,
                                                     const Road& road, const Sealing& sealing) {
  TENSORFERRY_ASSIGN_OR_RETURN(std::vector<Outgoing> all, Seal(arrays, options.fidelity, sealing));
  const Placement outside = BytesOutside(all) <= sealing.most_inside ? Placement::kInside : Placement::kInChunks;
  TENSORFERRY_ASSIGN_OR_RETURN(const bool stays, MakeReady(all, outside, options.fidelity));
  PreparedRequest request;
  std::vector<Array> declared;
  std::vector<Place> places;
  for (Outgoing& one : all) {
    Array& array = one.declared.array;
    if (one.declared.swap_width > 1) request.swapped.push_back(declared.size());
    places.push_back({.placement = outside});
    if (one.elements) {
      const auto keep = one.kept ? SideConnection::Keep::kWithMemory : SideConnection::Keep::kForRequests;
      TENSORFERRY_ASSIGN_OR_RETURN(auto region, sealing.side.HandOver(one.elements->memory, keep, road.give_up));
      places.back() = {.placement = Placement::kInRegions, .region = region.get(), .offset = one.elements->offset};
      request.regions.push_back(std::move(region));
      array = WithElements(std::move(array), *std::move(one.elements));
    } else if (outside == Placement::kInChunks && !array.bytes.empty()) {
      request.chunked.push_back({array.bytes, array.owner, one.declared.swap_width});
    }
    declared.push_back(std::move(array));
  }
  request.message = Encode(declared, options, road, [&](std::size_t i) { return places[i]; });
  request.outputs = road.outputs;
  const bool hands_over = !request.regions.empty() || request.outputs != nullptr;
  request.can_be_repeated = hands_over && (stays || road.arrays_stay);
  if (request.can_be_repeated) request.again = std::move(declared);
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
