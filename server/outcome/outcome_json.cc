#include "outcome/outcome_json.h"

#include <fmt/format.h>

namespace tensorferry::outcome {
namespace {

Json ErrorJson(const ErrorFacts& error) {
  return {
      {"code", error.code}, {"reason", error.reason}, {"message", error.message}, {"metadata", Json(error.metadata)}};
}

Json ListOf(std::span<const std::int64_t> numbers) { return std::vector(numbers.begin(), numbers.end()); }

}  // namespace

Json OutputJson(const TensorFacts& tensor) {
  return {{"name", tensor.name},           {"dtype", tensor.dtype},
          {"shape", ListOf(tensor.shape)}, {"strides", ListOf(tensor.strides)},
          {"numel", tensor.numel},         {"nbytes", tensor.nbytes},
          {"device", tensor.device}};
}

Json TensorJson(const TensorFacts& tensor, const ReceiptFacts& receipt) {
  Json json = OutputJson(tensor);
  json["source_dtype"] = receipt.source_dtype;
  json["numpy_dtype"] = receipt.numpy_dtype;
  json["dtype_equal"] = receipt.dtype_equal;
  json["adjustments"] = Json(receipt.adjustments);
  json["digest"] = receipt.digest ? HexText(*receipt.digest) : "";
  json["digest_equal"] = receipt.digest_equal;
  return json;
}

Json RefusedJson(const RefusedFacts& refused) {
  return {{"file", refused.file}, {"name", refused.name}, {"error", ErrorJson(refused.error)}};
}

std::string OutcomeText(const OutcomeFacts& outcome) {
  Json json = {{"server", outcome.server},
               {"request_id", outcome.request_id},
               {"model", outcome.model},
               {"model_version", outcome.model_version},
               {"tensors", outcome.tensors},
               {"outputs", outcome.outputs},
               {"refused", outcome.refused},
               {"skipped", outcome.skipped},
               {"timing",
                {{"receive_ns", outcome.timing.receive_ns},
                 {"convert_ns", outcome.timing.convert_ns},
                 {"queue_ns", outcome.timing.queue_ns},
                 {"compute_ns", outcome.timing.compute_ns}}}};
  if (outcome.error) json["error"] = ErrorJson(*outcome.error);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string HexText(const Digest& digest) {
  std::string text;
  for (const std::byte byte : digest) text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  return text;
}

}  // namespace tensorferry::outcome
