#pragma once

#include "absl/status/status.h"
#include "inference/engine/model_file.h"

namespace tensorferry::inference {

// Whether a zip archive is whole: each member has the CRC-32 that the archive says. Reads all of it; torch's own reader
// looks at no checksum.
// Errors: MODEL_NOT_READY.
absl::Status CheckArchive(const ModelFile& file);

}  // namespace tensorferry::inference
