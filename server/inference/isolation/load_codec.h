#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "inference/isolation/message.h"
#include "inference/model_config.h"
#include "inference/model_info.h"

namespace tensorferry::inference {

// WorkerSetup is what a worker needs to load its model, besides the file.
struct WorkerSetup {
  std::string name, version;  // The name and version under which callers know the model.
  ModelConfig config;         // Only what engines read travels: see PutSetup.
  int intra_op_threads = 1;
};

// Writes the setup: of the configuration the names, dtypes and dims of the tensors, max_batch_size and the parameters.
void PutSetup(const WorkerSetup& setup, MessageWriter& message);
WorkerSetup GetSetup(MessageReader& message);

// Writes a ModelInfo but for its state, which is that of the worker.
void PutInfo(const ModelInfo& info, MessageWriter& message);
ModelInfo GetInfo(MessageReader& message);

}  // namespace tensorferry::inference
