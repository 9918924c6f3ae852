// Texts in which libtorch reports errors: what of them is told to callers.
#pragma once

#include <string>
#include <string_view>

namespace tensorferry::inference {

// Returns the operator that failed, as "aten::view", by the traceback of TorchScript's interpreter in `text`. Returns an
// empty text if there is no traceback, or if the model itself raised the error.
std::string OperatorInTraceback(std::string_view text);

// Returns `text` without `told`, a part of it which the message has, and without the blanks around what is left.
std::string Untold(std::string_view text, std::string_view told);

}  // namespace tensorferry::inference
