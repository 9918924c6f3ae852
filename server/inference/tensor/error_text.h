// Texts in which libtorch reports errors: what of them is told to callers.
#pragma once

#include <string>
#include <string_view>

namespace tensorferry::inference {

// Returns the operator that failed, as "aten::view", by the traceback of TorchScript's interpreter in `text`. Returns an
// empty text if there is no traceback, or if the model itself raised the error.
std::string OperatorInTraceback(std::string_view text);

}  // namespace tensorferry::inference
