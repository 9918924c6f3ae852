#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "inference/engine/exported_schema.h"

namespace tensorferry::inference {

// Reads the dictionary of tensors that torch.save has pickled: of each tensor its name, and where its elements are. It
// runs nothing that the pickle says, and knows no names of Python's but those with which torch puts tensors together.
// Errors: MODEL_NOT_READY, naming what else stands in the pickle.
absl::StatusOr<std::map<std::string, ExportedWeight>> ReadPickledWeights(std::string_view pickle);

}  // namespace tensorferry::inference
