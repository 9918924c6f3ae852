#include "rpc/call/request_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/answer_bytes.h"
#include "base/status.h"
#include "payload/npy.h"
#include "payload/strings.h"
#include "rpc/wire/message_guard.h"

namespace tensorferry::rpc {
namespace {

constexpr std::size_t kMaxNameBytes = 256;

// Returns whether `text`, which is UTF-8, has a character of C0 or C1, or DEL. In UTF-8, C1 is 0xC2 0x80 to 0xC2 0x9F.
bool HasControlCharacter(std::string_view text) {
  unsigned char previous = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F || (previous == 0xC2 && byte < 0xA0)) return true;
    previous = byte;
  }
  return false;
}

absl::StatusOr<CheckedArray> CheckNpy(const ArrayView& array, Fidelity fidelity, const PayloadLimits& limits) {
  if (!array.shape.empty() || array.fortran_order) {
    return MakeError(Reason::kConflictingFields, "a .npy file brings its own shape and order: leave these fields unset",
                     {.field = array.shape.empty() ? "fortran_order" : "shape", .expected = "unset"});
  }
  const ScatteredBytes& file = array.bytes;
  TENSORFERRY_ASSIGN_OR_RETURN(const NpyHeader npy, ParseNpyHeader(file.First(kMaxNpyHeader)));
  TENSORFERRY_ASSIGN_OR_RETURN(ArrayHeader header, CheckNpyHeader(npy, array.dtype, file.size(), fidelity, limits));
  return CheckedArray{std::move(header), file.Skip(npy.data_offset)};
}

absl::StatusOr<CheckedArray> CheckDeclared(const ArrayView& array, std::uint64_t nbytes, Fidelity fidelity,
                                           const PayloadLimits& limits) {
  TENSORFERRY_ASSIGN_OR_RETURN(ArrayHeader header,
                               ArrayHeader::Make({array.dtype, array.shape, array.fortran_order}, fidelity, limits));
  TENSORFERRY_RETURN_IF_ERROR(header.CheckNbytes(nbytes));
  return CheckedArray{std::move(header)};
}

// Makes the array of bytes that is the raw form of an array of strings with `shape`.
absl::StatusOr<CheckedArray> AsBytes(std::size_t nbytes, const Shape& shape, const PayloadLimits& limits) {
  TENSORFERRY_RETURN_IF_ERROR(ByteSize(shape, 1).status());
  const auto size = static_cast<std::int64_t>(nbytes);
  TENSORFERRY_ASSIGN_OR_RETURN(ArrayHeader header,
                               ArrayHeader::Make({"uint8", {&size, 1}}, Fidelity::kConvert, limits));
  CheckedArray checked{std::move(header)};
  checked.strings = shape;
  return checked;
}

absl::StatusOr<CheckedArray> CheckRawStrings(const ArrayView& array, const PayloadLimits& limits) {
  TENSORFERRY_ASSIGN_OR_RETURN(CheckedArray checked, AsBytes(array.bytes.size(), array.shape, limits));
  TENSORFERRY_RETURN_IF_ERROR(CheckStrings(array.bytes, CountOf(array.shape)));
  checked.elements = array.bytes;
  return checked;
}

absl::StatusOr<CheckedArray> CheckShared(const ArrayView& array, Fidelity fidelity, const PayloadLimits& limits,
                                         const CallerMemory& memory) {
  const bool sealed = memory.sealed != nullptr && SealedRegions::IsName(array.region);
  if (!sealed) TENSORFERRY_RETURN_IF_ERROR(memory.registered.CheckEnabled());
  auto checked = array.strings ? AsBytes(array.shared_nbytes, array.shape, limits)
                               : CheckDeclared(array, array.shared_nbytes, fidelity, limits);
  if (!checked.ok()) return checked;
  if (sealed) {
    TENSORFERRY_ASSIGN_OR_RETURN(checked->sealed,
                                 memory.sealed->Find(array.region, array.shared_offset, array.shared_nbytes));
    return checked;
  }
  TENSORFERRY_ASSIGN_OR_RETURN(checked->shared,
                               memory.registered.Find(array.region, array.shared_offset, array.shared_nbytes));
  return checked;
}

// Checks the name in a field that protocols call differently. The term is made only for an error, since this runs for
// every request.
absl::Status CheckField(std::string_view field, std::string_view name) {
  return CheckName(field, name).ok() ? absl::OkStatus() : CheckName(Term(field), name);
}

// A name that comes a second time would send the same output once more, and a name takes three bytes.
absl::Status CheckDistinct(std::vector<std::string_view> names) {
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  if (twice == names.end()) return absl::OkStatus();
  return MakeError(Reason::kInputMismatch, fmt::format("output {} is requested twice", Quote(*twice)),
                   {.field = "requested_outputs", .expected = "each name once", .actual = Quote(*twice)});
}

}  // namespace

absl::Status CheckName(std::string_view field, std::string_view name) {
  if (name.size() > kMaxNameBytes) {
    return MakeError(
        Reason::kBadName,
        fmt::format("field {}: {} has {} bytes, at most {} are taken", field, Quote(name), name.size(), kMaxNameBytes),
        {.field = std::string(field), .actual = fmt::to_string(name.size()), .limit = fmt::to_string(kMaxNameBytes)});
  }
  if (HasControlCharacter(name)) {
    return MakeError(Reason::kBadName, fmt::format("field {}: {} has a control character", field, Quote(name)),
                     {.field = std::string(field), .actual = Quote(name)});
  }
  return absl::OkStatus();
}

std::string_view IdToRepeat(std::string_view request_id) {
  return request_id.size() <= kUncountedAnswerBytes ? request_id : std::string_view();
}

absl::Status CheckRequest(const RequestView& request) {
  TENSORFERRY_RETURN_IF_ERROR(CheckField("request_id", request.request_id));
  if (request.requested_outputs.size() > 1) {
    TENSORFERRY_RETURN_IF_ERROR(CheckDistinct(request.requested_outputs));
  }
  TENSORFERRY_RETURN_IF_ERROR(CheckName("model_name", request.model_name));
  TENSORFERRY_RETURN_IF_ERROR(CheckName("model_version", request.model_version));
  for (const std::string_view name : request.requested_outputs) {
    TENSORFERRY_RETURN_IF_ERROR(CheckField("requested_outputs", name));
  }
  for (std::size_t i = 0; i < request.arrays.size(); ++i) {
    const std::string_view name = request.arrays[i].name;
    // Only a name that is wrong gets the index put into words, since this runs for every request.
    if (!CheckName("arrays.name", name).ok()) return CheckName(fmt::format("{}[{}].name", Term("arrays"), i), name);
  }
  return absl::OkStatus();
}

absl::StatusOr<CheckedArray> CheckArray(const ArrayView& array, Fidelity fidelity, bool chunks_allowed,
                                        const PayloadLimits& limits, const CallerMemory& memory) {
  switch (array.payload) {
    case PayloadKind::kData: {
      if (array.strings) return CheckRawStrings(array, limits);
      TENSORFERRY_ASSIGN_OR_RETURN(CheckedArray checked, CheckDeclared(array, array.bytes.size(), fidelity, limits));
      checked.elements = array.bytes;
      return checked;
    }
    case PayloadKind::kNpy: return CheckNpy(array, fidelity, limits);
    case PayloadKind::kChunked: {
      if (!chunks_allowed) {
        return MakeError(Reason::kBadChunk, "chunks travel on ConvertStream only",
                         {.field = "chunked_nbytes", .expected = "data or npy"});
      }
      TENSORFERRY_ASSIGN_OR_RETURN(CheckedArray checked, CheckDeclared(array, array.chunked_nbytes, fidelity, limits));
      checked.chunked = true;
      return checked;
    }
    case PayloadKind::kSharedMemory: return CheckShared(array, fidelity, limits, memory);
    case PayloadKind::kNone: break;
  }
  return MakeError(Reason::kMissingPayload, "the array has none of data, npy, chunked_nbytes, shared_memory",
                   {.field = "payload", .expected = "data, npy, chunked_nbytes or shared_memory"});
}

}  // namespace tensorferry::rpc
