// What a request says, checked: from protobuf to payload headers.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "payload/array_header.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::rpc {

// The request without its arrays' contents: no more than kMaxArrays arrays; names and labels of at most 256 bytes,
// without control characters. Protobuf has checked that they are UTF-8. Errors: TENSOR_TOO_LARGE; BAD_NAME, naming the
// field.
absl::Status CheckRequest(const v1::ConvertRequest& request);

// What an array says of itself, and where those of its elements are that came with it.
struct CheckedArray {
  ArrayHeader header;
  std::string_view elements;  // Borrows the request; empty if chunks follow.
  bool chunked = false;
};

// Errors: MISSING_PAYLOAD, CONFLICTING_FIELDS, SHARED_MEMORY_DISABLED, BAD_CHUNK if chunks are not allowed, and those
// of
//         ArrayHeader and CheckNpyHeader.
absl::StatusOr<CheckedArray> CheckArray(const v1::Array& array, Fidelity fidelity, bool chunks_allowed,
                                        const PayloadLimits& limits);

Fidelity FidelityOf(const v1::ConvertRequest& request);

}  // namespace tensorferry::rpc
