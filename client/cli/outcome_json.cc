#include "cli/json_text.h"
#include "cli/outcome.h"
#include "tensorferry/client/error.h"

namespace tensorferry::cli {
namespace {

using client::Adjustment;
using client::Receipt;
using client::Tensor;
using client::Verdict;

std::string_view AdjustmentName(Adjustment adjustment) {
  switch (adjustment) {
    case Adjustment::kByteOrderSwapped: return "BYTE_ORDER_SWAPPED";
    case Adjustment::kBoolNormalized: return "BOOL_NORMALIZED";
  }
  __builtin_unreachable();
}

Json TensorJson(const Tensor& tensor) {
  return {{"name", tensor.name},   {"dtype", tensor.dtype},   {"shape", tensor.shape},  {"strides", tensor.strides},
          {"numel", tensor.numel}, {"nbytes", tensor.nbytes}, {"device", tensor.device}};
}

Json ConvertedJson(const Tensor& tensor, const Verdict& verdict) {
  Json json = TensorJson(tensor);
  const Receipt receipt = tensor.receipt.value_or(Receipt{});
  json["source_dtype"] = receipt.source_dtype;
  json["numpy_dtype"] = receipt.numpy_dtype;
  json["dtype_equal"] = verdict.dtype_equal;
  json["adjustments"] = Json::array();
  for (const Adjustment adjustment : receipt.adjustments) json["adjustments"].push_back(AdjustmentName(adjustment));
  json["digest"] = receipt.digest ? HexText(*receipt.digest) : "";
  json["digest_equal"] = verdict.digest_equal;
  return json;
}

Json ErrorJson(const absl::Status& status) {
  const client::Error error = client::ToError(status);
  return {{"code", std::string(absl::StatusCodeToString(error.code))},
          {"reason", error.reason},
          {"message", error.message},
          {"metadata", Json(error.metadata)}};
}

Json TensorsJson(const Outcome& outcome) {
  Json json = Json::array();
  for (std::size_t i = 0; i < outcome.response.tensors.size(); ++i) {
    json.push_back(ConvertedJson(outcome.response.tensors[i], outcome.verdicts[i]));
  }
  return json;
}

Json OutputsJson(const Outcome& outcome) {
  Json json = Json::array();
  for (const Tensor& output : outcome.response.outputs) json.push_back(TensorJson(output));
  return json;
}

Json RefusedJson(const Outcome& outcome) {
  Json json = Json::array();
  for (const auto& [file, name, error] : outcome.refused) {
    json.push_back({{"file", file}, {"name", name}, {"error", ErrorJson(error)}});
  }
  return json;
}

Json TimingJson(const client::Timing& timing) {
  return {{"receive_ns", timing.receive.count()},
          {"convert_ns", timing.convert.count()},
          {"queue_ns", timing.queue.count()},
          {"compute_ns", timing.compute.count()}};
}

}  // namespace

std::string ToJson(const Outcome& outcome) {
  Json json = {{"server", outcome.server},
               {"request_id", outcome.request_id},
               {"model", outcome.model},
               {"model_version", outcome.response.model_version},
               {"tensors", TensorsJson(outcome)},
               {"outputs", OutputsJson(outcome)},
               {"refused", RefusedJson(outcome)},
               {"skipped", outcome.skipped},
               {"timing", TimingJson(outcome.response.timing)}};
  if (!outcome.error.ok()) json["error"] = ErrorJson(outcome.error);
  return JsonText(json);
}

}  // namespace tensorferry::cli
