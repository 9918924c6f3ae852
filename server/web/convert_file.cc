#include "web/convert_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "base/status.h"
#include "files/npy_header.h"
#include "files/npz_writer.h"
#include "files/safetensors_writer.h"
#include "http/error_response.h"
#include "rpc/serve/error.h"
#include "web/convert_request.h"
#include "web/error_body.h"

namespace tensorferry::web {
namespace {

using ConvertedArrays = std::vector<ConvertedArray>;

std::span<const std::int64_t> ShapeOf(const ConvertedArray& array) {
  const auto& shape = array.metadata.shape();
  return {shape.data(), static_cast<std::size_t>(shape.size())};
}

// The server's own name of a dtype is always one of the table.
DType DTypeOfTensor(const ConvertedArray& array) { return DTypeByName(array.metadata.dtype()).value(); }

http::Response FileResponse(FileFormat format) { return {.content_type = std::string(MediaTypeOf(format))}; }

void AppendElementsOf(const ConvertedArray& array, http::Response& response) {
  response.pieces.insert(response.pieces.end(), array.elements.begin(), array.elements.end());
}

http::Response NpyAnswer(ConvertedArrays arrays) {
  const auto header = NpyHeaderBytes(DTypeOfTensor(arrays.front()), ShapeOf(arrays.front()));
  if (!header.ok()) return NotHeldBy(FileFormat::kNpy, std::string(header.status().message()));
  http::Response response = FileResponse(FileFormat::kNpy);
  response.body = *header;
  AppendElementsOf(arrays.front(), response);
  response.owner = std::make_shared<const ConvertedArrays>(std::move(arrays));
  return response;
}

http::Response SafetensorsAnswer(ConvertedArrays arrays) {
  // With the largest elements first all are aligned.
  std::ranges::stable_sort(arrays, std::ranges::greater{},
                           [](const ConvertedArray& each) { return each.metadata.itemsize(); });
  std::vector<SafetensorsMember> members;
  for (const ConvertedArray& array : arrays) {
    members.push_back({array.metadata.name(), DTypeOfTensor(array), ShapeOf(array),
                       static_cast<std::uint64_t>(array.metadata.nbytes())});
  }
  auto header = SafetensorsHeaderBytes(members);
  if (!header.ok()) return NotHeldBy(FileFormat::kSafetensors, DescribeError(header.status()).message);
  http::Response response = FileResponse(FileFormat::kSafetensors);
  response.body = *std::move(header);
  for (const ConvertedArray& array : arrays) AppendElementsOf(array, response);
  response.owner = std::make_shared<const ConvertedArrays>(std::move(arrays));
  return response;
}

// NpzInMemory is a file, with the room that the budget has admitted for it.
struct NpzInMemory {
  MemoryBudget::Reservation room;
  std::string bytes;
};

http::Response NpzAnswer(const ConvertedArrays& arrays, const PoolFor& pool) {
  std::vector<NpzMember> members;
  for (const ConvertedArray& array : arrays) {
    auto header = NpyHeaderBytes(DTypeOfTensor(array), ShapeOf(array));
    if (!header.ok()) return NotHeldBy(FileFormat::kNpz, std::string(header.status().message()));
    members.push_back({array.metadata.name(), *std::move(header), array.elements});
  }
  auto room = pool.Reserve(MaxNpzNbytes(members));
  if (!room.ok()) return ErrorOf(rpc::ToGrpcStatus(room.status()));
  auto bytes = NpzBytes(members);
  if (!bytes.ok()) return NotHeldBy(FileFormat::kNpz, std::string(bytes.status().message()));
  const auto file = std::make_shared<const NpzInMemory>(NpzInMemory{*std::move(room), *std::move(bytes)});
  http::Response response = FileResponse(FileFormat::kNpz);
  response.pieces.emplace_back(file->bytes);
  response.owner = file;
  return response;
}

}  // namespace

http::Response FileAnswer(FileFormat format, std::vector<ConvertedArray> arrays, const PoolFor& pool) {
  switch (format) {
    case FileFormat::kNpy: return NpyAnswer(std::move(arrays));
    case FileFormat::kNpz: return NpzAnswer(arrays, pool);
    case FileFormat::kSafetensors: return SafetensorsAnswer(std::move(arrays));
  }
  __builtin_unreachable();
}

http::Response NotHeldBy(FileFormat format, std::string_view why) {
  return http::ErrorResponse({.status = 406,
                              .message = fmt::format("the answer cannot be {}: {}", MediaTypeOf(format), why),
                              .expected = "accept: application/json, or a format that can hold it",
                              .actual = std::string(MediaTypeOf(format))});
}

}  // namespace tensorferry::web
