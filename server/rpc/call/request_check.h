// Checks what a request says, and makes payload headers of the views of its message.
#pragma once

#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/sealed_memory.h"
#include "base/sealed_regions.h"
#include "base/shared_memory.h"
#include "inference/model_version.h"
#include "payload/array_header.h"
#include "rpc/call/request_view.h"

namespace tensorferry::rpc {

// Checks a name or label: it has at most 256 bytes, and no control characters.
// Errors: BAD_NAME, naming the field.
absl::Status CheckName(std::string_view field, std::string_view name);

// Returns the caller's name for a request as an answer repeats it: none if it is so long that the request is refused, and that
// a refusal with it would take memory of which nobody knows.
std::string_view IdToRepeat(std::string_view request_id);

// Checks the request, but not the contents of its arrays: CheckName takes its names and labels, and no output is
// requested twice. That names are UTF-8, and how many there are, was checked when the message was decoded.
// Errors: INPUT_MISMATCH; BAD_NAME, naming the field.
absl::Status CheckRequest(const RequestView& request);

// CheckedArray is an array whose header is checked, and the place of the elements that came with it.
struct CheckedArray {
  ArrayHeader header;
  ScatteredBytes elements;              // Borrows the message; empty if `chunked`, `shared` or `sealed`.
  bool chunked = false;                 // The elements follow in chunks.
  std::optional<Shape> strings{};       // The shape of an array of strings; `header` describes their raw form.
  std::optional<SharedRange> shared{};  // The place of elements that lie in shared memory, which others can change.
  std::optional<SealedRange> sealed{};  // The place of elements that lie in sealed memory.

  // Returns the array as ModelVersion::Check takes it. Borrows `name` and this object.
  inference::InputDeclaration DeclaredAs(std::string_view name) const {
    if (strings) return {name, inference::kStrings, *strings};
    return {name, Info(header.dtype()).name, header.shape()};
  }
};

// CallerMemory is memory of callers on the same machine, in which arrays may lie. Borrows its members.
struct CallerMemory {
  const SharedRegions& registered;
  const SealedRegions* sealed = nullptr;  // Null: none is taken.
};

// Checks what an array says of itself; the message must outlive the result.
// Errors: MISSING_PAYLOAD, CONFLICTING_FIELDS, BAD_CHUNK if chunks are not allowed, and those of ArrayHeader,
//         CheckNpyHeader, CheckStrings, SharedRegions::Find and SealedRegions::Find.
absl::StatusOr<CheckedArray> CheckArray(const ArrayView& array, Fidelity fidelity, bool chunks_allowed,
                                        const PayloadLimits& limits, const CallerMemory& memory);

inline Fidelity FidelityOf(const RequestView& request) {
  return request.strict ? Fidelity::kStrict : Fidelity::kConvert;
}

}  // namespace tensorferry::rpc
