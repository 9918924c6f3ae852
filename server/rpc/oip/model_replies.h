// Describes models in messages of the Open Inference Protocol.
#pragma once

#include <vector>

#include "inference/model_info.h"
#include "inference/model_statistics.h"
#include "rpc/triton_config/triton_proto.h"

namespace tensorferry::rpc {

// `versions` are those of the model that are ready.
triton::ModelMetadataResponse MetadataOf(const inference::ModelInfo& model, const std::vector<std::string>& versions);

triton::ModelStatistics StatisticsOf(const inference::ModelInfo& model, const inference::ModelStatistics& done);

triton::RepositoryIndexResponse IndexOf(const std::vector<inference::RepositoryEntry>& entries, bool ready_only);

}  // namespace tensorferry::rpc
