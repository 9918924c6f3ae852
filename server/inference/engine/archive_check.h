#pragma once

#include "absl/status/status.h"
#include "inference/engine/model_file.h"
#include "inference/engine/temporary_folder.h"

namespace tensorferry::inference {

// Checks that each member of a zip archive has the CRC-32 that the archive gives for it. Reads the whole file. torch's
// own reader is built without this check (https://github.com/pytorch/pytorch/issues/126952).
// Errors: MODEL_NOT_READY.
absl::Status CheckArchive(const ModelFile& file);

// Returns the sizes of the members of a zip archive that was checked, unpacked.
FileSizes UnpackedSizes(const ModelFile& file);

}  // namespace tensorferry::inference
