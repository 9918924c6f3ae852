#include "cli/json_text.h"
#include "cli/outcome.h"
#include "tensorferry/client/error.h"

namespace tensorferry::cli {
namespace {

using client::Adjustment;
using client::Receipt;
using client::Response;
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

void AddResponse(const Response& response, const std::vector<Verdict>& verdicts, Json& json) {
  json["tensors"] = Json::array();
  for (std::size_t i = 0; i < response.tensors.size(); ++i) {
    json["tensors"].push_back(ConvertedJson(response.tensors[i], verdicts[i]));
  }
  json["outputs"] = Json::array();
  for (const Tensor& output : response.outputs) json["outputs"].push_back(TensorJson(output));
  json["timing"] = {{"receive_ns", response.timing.receive.count()},
                    {"convert_ns", response.timing.convert.count()},
                    {"queue_ns", response.timing.queue.count()},
                    {"compute_ns", response.timing.compute.count()}};
}

}  // namespace

std::string ToJson(const Outcome& outcome) {
  const bool ok = outcome.response.ok();
  Json json = {{"server", outcome.server},
               {"request_id", outcome.request_id},
               {"model", outcome.model},
               {"model_version", ok ? outcome.response->model_version : ""}};
  if (ok) {
    AddResponse(*outcome.response, outcome.verdicts, json);
  } else {
    json["error"] = ErrorJson(outcome.response.status());
  }
  return JsonText(json);
}

}  // namespace tensorferry::cli
