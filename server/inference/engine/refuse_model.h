#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "base/status.h"

namespace tensorferry::inference {

// Returns the error of a model file that this server does not serve: MODEL_NOT_READY.
inline absl::Status RefuseModel(std::string_view why) { return MakeError(Reason::kModelNotReady, why); }

}  // namespace tensorferry::inference
