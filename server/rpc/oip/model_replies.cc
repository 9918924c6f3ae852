#include "rpc/oip/model_replies.h"

#include <chrono>
#include <string>
#include <string_view>

#include "rpc/oip/datatype.h"
#include "rpc/triton_config/model_config_text.h"

namespace tensorferry::rpc {
namespace {

void Fill(const std::vector<inference::TensorSpec>& specs,
          google::protobuf::RepeatedPtrField<triton::ModelMetadataResponse::TensorMetadata>& tensors) {
  for (const inference::TensorSpec& spec : specs) {
    auto& tensor = *tensors.Add();
    tensor.set_name(spec.name);
    tensor.set_datatype(std::string(OipNameOf(spec.dtype)));
    tensor.mutable_shape()->Add(spec.shape.begin(), spec.shape.end());
  }
}

void Fill(const inference::CountAndTime& done, triton::StatisticDuration& duration) {
  duration.set_count(done.count);
  duration.set_ns(static_cast<std::uint64_t>(done.time.count()));
}

std::string_view NameOf(inference::ModelState state) {
  switch (state) {
    case inference::ModelState::kLoading: return "LOADING";
    case inference::ModelState::kReady: return "READY";
    case inference::ModelState::kUnavailable: return "UNAVAILABLE";
    case inference::ModelState::kUnloading: return "UNLOADING";
  }
  __builtin_unreachable();
}

}  // namespace

triton::ModelMetadataResponse MetadataOf(const inference::ModelInfo& model, const std::vector<std::string>& versions) {
  triton::ModelMetadataResponse response;
  response.set_name(model.name);
  response.mutable_versions()->Add(versions.begin(), versions.end());
  response.set_platform(std::string(TritonPlatformOf(model)));
  Fill(model.inputs, *response.mutable_inputs());
  Fill(model.outputs, *response.mutable_outputs());
  return response;
}

triton::ModelStatistics StatisticsOf(const inference::ModelInfo& model, const inference::ModelStatistics& done) {
  using std::chrono::milliseconds;
  triton::ModelStatistics statistics;
  statistics.set_name(model.name);
  statistics.set_version(model.version);
  const auto last = std::chrono::floor<milliseconds>(done.last_inference.time_since_epoch());
  statistics.set_last_inference(static_cast<std::uint64_t>(last.count()));
  statistics.set_inference_count(done.inference_count);
  statistics.set_execution_count(done.execution_count);
  triton::InferStatistics& requests = *statistics.mutable_inference_stats();
  Fill(done.success, *requests.mutable_success());
  Fill(done.fail, *requests.mutable_fail());
  Fill(done.queue, *requests.mutable_queue());
  Fill(done.compute_input, *requests.mutable_compute_input());
  Fill(done.compute_infer, *requests.mutable_compute_infer());
  Fill(done.compute_output, *requests.mutable_compute_output());
  requests.mutable_cache_hit();
  requests.mutable_cache_miss();
  for (const auto& [rows, batch] : done.batches) {
    triton::InferBatchStatistics& runs = *statistics.add_batch_stats();
    runs.set_batch_size(static_cast<std::uint64_t>(rows));
    Fill(batch.compute_input, *runs.mutable_compute_input());
    Fill(batch.compute_infer, *runs.mutable_compute_infer());
    Fill(batch.compute_output, *runs.mutable_compute_output());
  }
  return statistics;
}

triton::RepositoryIndexResponse IndexOf(const std::vector<inference::RepositoryEntry>& entries, bool ready_only) {
  triton::RepositoryIndexResponse response;
  for (const inference::RepositoryEntry& entry : entries) {
    if (ready_only && entry.state != inference::ModelState::kReady) continue;
    auto& model = *response.add_models();
    model.set_name(entry.name);
    model.set_version(entry.version);
    if (entry.state) model.set_state(std::string(NameOf(*entry.state)));
    model.set_reason(entry.reason);
  }
  return response;
}

}  // namespace tensorferry::rpc
