// Makes the pipeline that runs on libtorch. Free of torch's headers, so that main.cc can make one.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/buffer_pool.h"
#include "inference/model_options.h"
#include "inference/pipeline.h"

namespace tensorferry::inference {

// Sets torch up for this process. Call it once, before the first thread is started: some settings are in the
// environment.
void PrepareTorch();

// Returns torch's version, such as "2.13.0".
std::string TorchVersion();

// Makes a pipeline, whose models are loaded later.
// Lifetime: borrows `pool`.
// Errors: MODEL_NOT_READY if torch has no such device here.
absl::StatusOr<std::unique_ptr<Pipeline>> MakeTorchPipeline(const RepositoryOptions& options, BufferPool& pool);

}  // namespace tensorferry::inference
