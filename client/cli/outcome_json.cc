#include "outcome/outcome_json.h"

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
    case Adjustment::kByteOrderSwapped: return outcome::kByteOrderSwapped;
    case Adjustment::kBoolNormalized: return outcome::kBoolNormalized;
  }
  __builtin_unreachable();
}

outcome::TensorFacts FactsOf(const Tensor& tensor) {
  return {.name = tensor.name,
          .dtype = tensor.dtype,
          .shape = tensor.shape,
          .strides = tensor.strides,
          .numel = tensor.numel,
          .nbytes = tensor.nbytes,
          .device = tensor.device};
}

outcome::Json ConvertedJson(const Tensor& tensor, const Verdict& verdict) {
  const Receipt receipt = tensor.receipt.value_or(Receipt{});
  outcome::ReceiptFacts facts{.source_dtype = receipt.source_dtype,
                              .numpy_dtype = receipt.numpy_dtype,
                              .dtype_equal = verdict.dtype_equal,
                              .adjustments = {},
                              .digest = receipt.digest,
                              .digest_equal = verdict.digest_equal};
  for (const Adjustment adjustment : receipt.adjustments) facts.adjustments.push_back(AdjustmentName(adjustment));
  return outcome::TensorJson(FactsOf(tensor), facts);
}

outcome::ErrorFacts FactsOf(const absl::Status& status) {
  client::Error error = client::ToError(status);
  return {.code = std::string(absl::StatusCodeToString(error.code)),
          .reason = std::move(error.reason),
          .message = std::move(error.message),
          .metadata = std::move(error.metadata)};
}

}  // namespace

std::string ToJson(const Outcome& outcome) {
  const client::Timing& timing = outcome.response.timing;
  outcome::OutcomeFacts facts{.server = outcome.server,
                              .request_id = outcome.request_id,
                              .model = outcome.model,
                              .model_version = outcome.response.model_version,
                              .skipped = outcome.skipped,
                              .timing = {.receive_ns = timing.receive.count(),
                                         .convert_ns = timing.convert.count(),
                                         .queue_ns = timing.queue.count(),
                                         .compute_ns = timing.compute.count()},
                              .error = std::nullopt};
  for (std::size_t i = 0; i < outcome.response.tensors.size(); ++i) {
    facts.tensors.push_back(ConvertedJson(outcome.response.tensors[i], outcome.verdicts[i]));
  }
  for (const Tensor& output : outcome.response.outputs) facts.outputs.push_back(outcome::OutputJson(FactsOf(output)));
  for (const auto& [file, name, error] : outcome.refused) {
    facts.refused.push_back(outcome::RefusedJson({file, name, FactsOf(error)}));
  }
  if (!outcome.error.ok()) facts.error = FactsOf(outcome.error);
  return outcome::OutcomeText(facts);
}

}  // namespace tensorferry::cli
