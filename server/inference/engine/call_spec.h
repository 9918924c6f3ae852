#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace tensorferry::inference {

// These functions return the leaves of one side of a compiled package's call, in the order in which the package takes
// or gives them. `spec` is a pytree of torch's, as JSON.
// Names:  of inputs ARGS[0], ARGS[2][key], KWARGS[name]; of outputs RESULT, RESULT[0], RESULT[key].
// Errors: MODEL_NOT_READY if `spec` is no such text.
absl::StatusOr<std::vector<std::string>> InputLeaves(std::string_view spec);
absl::StatusOr<std::vector<std::string>> OutputLeaves(std::string_view spec);

}  // namespace tensorferry::inference
