// Texts in which libtorch reports errors: what of them is told to callers.
#pragma once

#include <string>
#include <string_view>

namespace tensorferry::inference {

// Returns what failed: the operator, as "aten::view", by the traceback of TorchScript's interpreter in `text`, or the
// kernel of a package, as "cpp_fused_embedding_mean_0", by the place where it threw. Returns an empty text if `text` has
// neither, or if the model itself raised the error.
std::string FailedOperator(std::string_view text);

// Returns `text` without `told`, a part of it which the message has, and without the blanks around what is left.
std::string Untold(std::string_view text, std::string_view told);

}  // namespace tensorferry::inference
