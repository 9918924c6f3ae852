#include "rpc/call/record.h"

namespace tensorferry::rpc {

void RecordModel(const absl::StatusOr<Intake>& intake, const AskedModel& asked, CallRecord& record) {
  if (!intake.ok()) return RecordAskedModel(asked, record);
  if (intake->model() == nullptr) return;
  record.model = intake->model()->info().name;
  record.model_version = intake->model()->info().version;
}

Few<ReceivedTensor> TensorsOf(const Response& response) {
  Few<ReceivedTensor> tensors;
  for (const inference::TensorResult& tensor : response.result.tensors) {
    if (!tensor.receipt) continue;
    tensors.push_back({.dtype = tensor.receipt->dtype,
                       .dtype_equal = tensor.receipt->dtype_equal,
                       .nbytes = static_cast<std::uint64_t>(tensor.metadata.nbytes)});
  }
  return tensors;
}

std::uint64_t ElementBytesOf(const Response& response) {
  std::uint64_t nbytes = 0;
  for (const auto* const results : {&response.result.tensors, &response.result.outputs}) {
    for (const inference::TensorResult& tensor : *results)
      nbytes += tensor.elements ? tensor.elements->bytes.size() : 0;
  }
  return nbytes;
}

void RecordStages(const Response& response, CallRecord& record) {
  const inference::PipelineResponse& result = response.result;
  record.receive = response.receive_time;
  record.convert = result.convert_time;
  record.queue = result.queue_time;
  record.compute = result.compute_time;
}

}  // namespace tensorferry::rpc
