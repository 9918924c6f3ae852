// The methods of GRPCInferenceService that describe the server, and change its settings.
#include "base/status.h"
#include "rpc/oip/inference_service.h"
#include "rpc/oip/log_settings.h"

namespace tensorferry::rpc {

void InferenceService::ServeServerMethods(grpc::ServerCompletionQueue* queue) {
  ServeMethod<&Service::RequestServerLive, &InferenceService::ServerLive>(queue);
  ServeMethod<&Service::RequestServerReady, &InferenceService::ServerReady>(queue);
  ServeMethod<&Service::RequestServerMetadata, &InferenceService::ServerMetadata>(queue);
  ServeMethod<&Service::RequestTraceSetting, &InferenceService::TraceSetting>(queue);
  ServeMethod<&Service::RequestLogSettings, &InferenceService::LogSettings>(queue);
}

absl::Status InferenceService::ServerLive(const triton::ServerLiveRequest&, triton::ServerLiveResponse& response) {
  response.set_live(true);
  return absl::OkStatus();
}

absl::Status InferenceService::ServerReady(const triton::ServerReadyRequest&, triton::ServerReadyResponse& response) {
  response.set_ready(ready_);
  return absl::OkStatus();
}

absl::Status InferenceService::ServerMetadata(const triton::ServerMetadataRequest&,
                                              triton::ServerMetadataResponse& response) {
  response.set_name("tensorferry");
  response.set_version(TENSORFERRY_VERSION);
  for (const char* const extension : {"classification", "model_repository", "model_repository(unload_dependents)",
                                      "schedule_policy", "model_configuration", "binary_tensor_data", "parameters",
                                      "statistics", "trace", "logging", "tensorferry_datatypes"}) {
    response.add_extensions(extension);
  }
  if (calls_.regions.kinds().system) response.add_extensions("system_shared_memory");
  if (calls_.gpus) response.add_extensions("cuda_shared_memory");
  return absl::OkStatus();
}

absl::Status InferenceService::TraceSetting(const triton::TraceSettingRequest& request,
                                            triton::TraceSettingResponse& response) {
  if (!request.model_name().empty()) {
    TENSORFERRY_RETURN_IF_ERROR(calls_.models.FindModel(request.model_name(), "").status());
  }
  Tracer::Values values;
  for (const auto& [name, value] : request.settings()) values[name] = {value.value().begin(), value.value().end()};
  TENSORFERRY_RETURN_IF_ERROR(tracer_.Set(request.model_name(), values));
  for (const auto& [name, value] : tracer_.Get(request.model_name())) {
    (*response.mutable_settings())[name].mutable_value()->Add(value.begin(), value.end());
  }
  return absl::OkStatus();
}

absl::Status InferenceService::LogSettings(const triton::LogSettingsRequest& request,
                                           triton::LogSettingsResponse& response) {
  return ChangeLogSettings(request, response);
}

}  // namespace tensorferry::rpc
