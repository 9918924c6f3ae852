#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "payload/dtype.h"
#include "rpc/triton_config/triton_namespace.h"

namespace inference {
class InferTensorContents;
}

namespace tensorferry::rpc {

// Writes elements that came typed (int_contents and the like) into `raw`, in the form of raw_input_contents.
// Errors: INPUT_MISMATCH for a datatype that has no typed form, for a field that is not the datatype's, and for a
//         number that the datatype cannot hold.
absl::Status RawOfTyped(const triton::InferTensorContents& contents, const DTypeInfo& dtype, std::string& raw);
absl::Status RawOfTypedStrings(const triton::InferTensorContents& contents, std::string& raw);

}  // namespace tensorferry::rpc
