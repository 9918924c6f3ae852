// The calls of Client about models that GRPCInferenceService has, and TensorService has not.
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>

#include "base/status.h"
#include "inference/grpc_service.pb.h"
#include "lib/connection.h"
#include "lib/server_error.h"
#include "tensorferry/client/client.h"

namespace tensorferry::client {
namespace {

namespace oip = ::inference;

CountAndTime ToCount(const oip::StatisticDuration& duration) {
  return {.count = duration.count(), .time = std::chrono::nanoseconds(duration.ns())};
}

ModelStatistics ToStatistics(const oip::ModelStatistics& source) {
  const oip::InferStatistics& requests = source.inference_stats();
  ModelStatistics statistics{.name = source.name(),
                             .version = source.version(),
                             .last_inference = std::nullopt,
                             .inference_count = source.inference_count(),
                             .execution_count = source.execution_count(),
                             .success = ToCount(requests.success()),
                             .fail = ToCount(requests.fail()),
                             .queue = ToCount(requests.queue()),
                             .compute_input = ToCount(requests.compute_input()),
                             .compute_infer = ToCount(requests.compute_infer()),
                             .compute_output = ToCount(requests.compute_output()),
                             .batches = {}};
  if (source.last_inference() > 0) {
    statistics.last_inference.emplace(std::chrono::milliseconds(source.last_inference()));
  }
  for (const oip::InferBatchStatistics& batch : source.batch_stats()) {
    statistics.batches.push_back({.rows = batch.batch_size(),
                                  .compute_input = ToCount(batch.compute_input()),
                                  .compute_infer = ToCount(batch.compute_infer()),
                                  .compute_output = ToCount(batch.compute_output())});
  }
  return statistics;
}

}  // namespace

absl::StatusOr<std::vector<ModelStatistics>> Client::GetStatistics(const std::string& model,
                                                                   std::chrono::milliseconds timeout) {
  grpc::ClientContext context;
  connection_->Begin(context, timeout);
  oip::ModelStatisticsRequest request;
  request.set_name(model);
  oip::ModelStatisticsResponse response;
  TENSORFERRY_RETURN_IF_ERROR(FromGrpc(connection_->inference().ModelStatistics(&context, request, &response)));
  std::vector<ModelStatistics> statistics;
  for (const oip::ModelStatistics& each : response.model_stats()) statistics.push_back(ToStatistics(each));
  return statistics;
}

absl::StatusOr<ModelConfig> Client::GetModelConfig(const std::string& model, std::chrono::milliseconds timeout) {
  grpc::ClientContext context;
  connection_->Begin(context, timeout);
  oip::ModelConfigRequest request;
  request.set_name(model);
  oip::ModelConfigResponse response;
  TENSORFERRY_RETURN_IF_ERROR(FromGrpc(connection_->inference().ModelConfig(&context, request, &response)));
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  ModelConfig config;
  const auto written = google::protobuf::util::MessageToJsonString(response.config(), &config.json, options);
  if (!written.ok() || !google::protobuf::TextFormat::PrintToString(response.config(), &config.text)) {
    return absl::InternalError("the server sent a configuration that cannot be written as text");
  }
  return config;
}

absl::Status Client::LoadModel(const std::string& model, std::chrono::milliseconds timeout) {
  grpc::ClientContext context;
  connection_->Begin(context, timeout);
  oip::RepositoryModelLoadRequest request;
  request.set_model_name(model);
  oip::RepositoryModelLoadResponse response;
  return FromGrpc(connection_->inference().RepositoryModelLoad(&context, request, &response));
}

absl::Status Client::UnloadModel(const std::string& model, std::chrono::milliseconds timeout) {
  grpc::ClientContext context;
  connection_->Begin(context, timeout);
  oip::RepositoryModelUnloadRequest request;
  request.set_model_name(model);
  oip::RepositoryModelUnloadResponse response;
  return FromGrpc(connection_->inference().RepositoryModelUnload(&context, request, &response));
}

}  // namespace tensorferry::client
