#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace tensorferry::inference {

// The leaves of one side of a compiled package's call, in the order in which the package takes or gives them: torch's
// pytree as JSON.
// Names:  of inputs ARGS[0], ARGS[2][key], KWARGS[name]; of outputs RESULT, RESULT[0], RESULT[key].
// Errors: MODEL_NOT_READY if it is no such text.
absl::StatusOr<std::vector<std::string>> InputLeaves(std::string_view spec);
absl::StatusOr<std::vector<std::string>> OutputLeaves(std::string_view spec);

}  // namespace tensorferry::inference
