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

// Writes elements that came typed (int_contents and the like) into `raw`, as raw_input_contents would have them.
// Errors: INPUT_MISMATCH for a datatype that has no typed form, a field that is not the datatype's, a number that the
// datatype cannot hold.
absl::Status RawOfTyped(const triton::InferTensorContents& contents, const DTypeInfo& dtype, std::string& raw);
absl::Status RawOfTypedStrings(const triton::InferTensorContents& contents, std::string& raw);

}  // namespace tensorferry::rpc
