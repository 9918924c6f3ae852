// The methods of GRPCInferenceService that describe models.
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "rpc/oip/inference_service.h"
#include "rpc/oip/model_replies.h"
#include "rpc/oip/version_text.h"
#include "rpc/triton_config/model_config_text.h"

namespace tensorferry::rpc {
namespace {

std::vector<std::string> ReadyVersionsOf(const inference::ModelCatalog& models, const std::string& name) {
  std::vector<std::string> versions;
  for (const inference::ModelInfo& model : models.Models()) {
    if (model.name == name && model.state == inference::ModelState::kReady) versions.push_back(model.version);
  }
  return versions;
}

// Returns the version that the request asks for.
// Errors: INPUT_MISMATCH if it asks for what is no version; those of FindModel.
template <typename Request>
absl::StatusOr<std::shared_ptr<inference::ModelVersion>> FindVersion(const inference::ModelCatalog& models,
                                                                     const Request& request) {
  TENSORFERRY_RETURN_IF_ERROR(CheckVersionText(request.version()));
  return models.FindModel(request.name(), request.version());
}

}  // namespace

void InferenceService::ServeModelMethods(grpc::ServerCompletionQueue* queue) {
  ServeMethod<&Service::RequestModelReady, &InferenceService::ModelReady>(queue);
  ServeMethod<&Service::RequestModelMetadata, &InferenceService::ModelMetadata>(queue);
  ServeMethod<&Service::RequestModelConfig, &InferenceService::ModelConfig>(queue);
  ServeMethod<&Service::RequestModelStatistics, &InferenceService::ModelStatistics>(queue);
}

absl::Status InferenceService::ModelReady(const triton::ModelReadyRequest& request,
                                          triton::ModelReadyResponse& response) {
  TENSORFERRY_RETURN_IF_ERROR(CheckVersionText(request.version()));
  response.set_ready(calls_.models.FindModel(request.name(), request.version()).ok());
  return absl::OkStatus();
}

absl::Status InferenceService::ModelMetadata(const triton::ModelMetadataRequest& request,
                                             triton::ModelMetadataResponse& response) {
  TENSORFERRY_ASSIGN_OR_RETURN(const auto model, FindVersion(calls_.models, request));
  response = MetadataOf(model->info(), ReadyVersionsOf(calls_.models, request.name()));
  return absl::OkStatus();
}

absl::Status InferenceService::ModelConfig(const triton::ModelConfigRequest& request,
                                           triton::ModelConfigResponse& response) {
  TENSORFERRY_ASSIGN_OR_RETURN(const auto model, FindVersion(calls_.models, request));
  *response.mutable_config() = ToProto(model->info(), model->config());
  return absl::OkStatus();
}

// Returns the statistics of one version, of all versions of a model, or, without a name, of all models that are ready.
absl::Status InferenceService::ModelStatistics(const triton::ModelStatisticsRequest& request,
                                               triton::ModelStatisticsResponse& response) {
  TENSORFERRY_RETURN_IF_ERROR(CheckVersionText(request.version()));
  const inference::ModelCatalog& models = calls_.models;
  const auto add = [&](const inference::ModelVersion& version) {
    *response.add_model_stats() = StatisticsOf(version.info(), version.statistics());
  };
  if (!request.name().empty()) {
    TENSORFERRY_ASSIGN_OR_RETURN(const auto version, models.FindModel(request.name(), request.version()));
    if (!request.version().empty()) {
      add(*version);
      return absl::OkStatus();
    }
  }
  for (const inference::ModelInfo& model : models.Models()) {
    if (!request.name().empty() && model.name != request.name()) continue;
    const auto version = models.FindModel(model.name, model.version);
    if (version.ok()) add(**version);
  }
  return absl::OkStatus();
}

}  // namespace tensorferry::rpc
