// What a request says, checked: from views of its message to payload headers.
#pragma once

#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/shared_memory.h"
#include "inference/model_version.h"
#include "payload/array_header.h"
#include "rpc/call/request_view.h"

namespace tensorferry::rpc {

// A name or label: at most 256 bytes, without control characters.
// Errors: BAD_NAME, naming the field.
absl::Status CheckName(std::string_view field, std::string_view name);

// The request without its arrays' contents: no more than kMaxArrays arrays; names and labels of at most 256 bytes,
// without control characters. Protobuf has checked that they are UTF-8.
// Errors: TENSOR_TOO_LARGE; BAD_NAME, naming the field.
absl::Status CheckRequest(const RequestView& request);

// What an array says of itself, and where those of its elements are that came with it.
struct CheckedArray {
  ArrayHeader header;
  ScatteredBytes elements;  // Borrows the message; empty if chunks follow, and for shared memory.
  bool chunked = false;
  std::optional<Shape> strings{};  // Of strings: their shape; the header is of their raw form.
  std::optional<SharedRange> shared{};

  // As the model is asked about it.
  inference::InputDeclaration DeclaredAs(std::string_view name) const {
    if (strings) return {name, inference::kStrings, *strings};
    return {name, Info(header.dtype()).name, header.shape()};
  }
};

// Errors: MISSING_PAYLOAD, CONFLICTING_FIELDS, BAD_CHUNK if chunks are not allowed, and those of ArrayHeader,
//         CheckNpyHeader, CheckStrings and SharedRegions::Find.
absl::StatusOr<CheckedArray> CheckArray(const ArrayView& array, Fidelity fidelity, bool chunks_allowed,
                                        const PayloadLimits& limits, const SharedRegions& regions);

inline Fidelity FidelityOf(const RequestView& request) {
  return request.strict ? Fidelity::kStrict : Fidelity::kConvert;
}

}  // namespace tensorferry::rpc
