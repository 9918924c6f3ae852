#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "payload/dtype.h"
#include "payload/scattered_bytes.h"
#include "rpc/triton_config/triton_namespace.h"

namespace inference {
class InferTensorContents;
}

namespace tensorferry::rpc {

// Returns elements that came typed (int_contents and the like) in the form of raw_input_contents: where they lie in
// `contents`, if they have that form there, and else in `raw`, to which they are written. Borrows both.
// Errors: INPUT_MISMATCH for a datatype that has no typed form, for a field that is not the datatype's, and for a
//         number that the datatype cannot hold.
absl::StatusOr<Bytes> RawOfTyped(const triton::InferTensorContents& contents, const DTypeInfo& dtype, std::string& raw);
absl::StatusOr<Bytes> RawOfTypedStrings(const triton::InferTensorContents& contents, std::string& raw);

}  // namespace tensorferry::rpc
