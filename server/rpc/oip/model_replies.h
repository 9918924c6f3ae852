// What is said of models, as messages of the Open Inference Protocol.
#pragma once

#include <vector>

#include "inference/grpc_service.pb.h"
#include "inference/model_info.h"
#include "inference/model_statistics.h"

namespace tensorferry::rpc {

// `versions`: those of the model that are ready.
::inference::ModelMetadataResponse MetadataOf(const inference::ModelInfo& model,
                                              const std::vector<std::string>& versions);

::inference::ModelStatistics StatisticsOf(const inference::ModelInfo& model, const inference::ModelStatistics& done);

::inference::RepositoryIndexResponse IndexOf(const std::vector<inference::RepositoryEntry>& entries, bool ready_only);

}  // namespace tensorferry::rpc
