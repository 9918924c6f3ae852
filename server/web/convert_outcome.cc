#include "web/convert_outcome.h"

#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "web/error_body.h"

namespace tensorferry::web {
namespace {

outcome::ErrorFacts ErrorFactsOf(const grpc::Status& status) {
  outcome::ErrorFacts facts{.code = absl::StatusCodeToString(static_cast<absl::StatusCode>(status.error_code())),
                            .reason = "",
                            .message = status.error_message(),
                            .metadata = {}};
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return facts;
  google::rpc::ErrorInfo info;
  for (const google::protobuf::Any& detail : details.details()) {
    if (!detail.UnpackTo(&info)) continue;
    facts.reason = info.reason();
    facts.metadata = {info.metadata().begin(), info.metadata().end()};
  }
  return facts;
}

std::string_view AdjustmentText(int adjustment) {
  return adjustment == v1::ADJUSTMENT_BYTE_ORDER_SWAPPED ? outcome::kByteOrderSwapped : outcome::kBoolNormalized;
}

outcome::ReceiptFacts ReceiptFactsOf(const v1::Receipt& receipt, ConvertVerdict verdict) {
  outcome::ReceiptFacts facts{.source_dtype = receipt.source_dtype(),
                              .numpy_dtype = receipt.numpy_dtype(),
                              .dtype_equal = verdict.dtype_equal,
                              .adjustments = {},
                              .digest = std::nullopt,
                              .digest_equal = verdict.digest_equal};
  for (const int adjustment : receipt.adjustments()) facts.adjustments.push_back(AdjustmentText(adjustment));
  if (receipt.digest().size() == sizeof(Digest)) {
    std::memcpy(facts.digest.emplace().data(), receipt.digest().data(), sizeof(Digest));
  }
  return facts;
}

std::span<const std::int64_t> SpanOf(const google::protobuf::RepeatedField<std::int64_t>& numbers) {
  return {numbers.data(), static_cast<std::size_t>(numbers.size())};
}

}  // namespace

void ConvertOutcome::Add(const ConvertedArray& converted, ConvertVerdict verdict) {
  const v1::TensorMetadata& metadata = converted.metadata;
  const outcome::TensorFacts tensor{.name = metadata.name(),
                                    .dtype = metadata.dtype(),
                                    .shape = SpanOf(metadata.shape()),
                                    .strides = SpanOf(metadata.strides()),
                                    .numel = metadata.numel(),
                                    .nbytes = metadata.nbytes(),
                                    .device = metadata.device()};
  facts_.tensors.push_back(outcome::TensorJson(tensor, ReceiptFactsOf(metadata.receipt(), verdict)));
  facts_.timing.receive_ns += static_cast<std::int64_t>(converted.timing.receive_ns());
  facts_.timing.convert_ns += static_cast<std::int64_t>(converted.timing.convert_ns());
  facts_.timing.queue_ns += static_cast<std::int64_t>(converted.timing.queue_ns());
  facts_.timing.compute_ns += static_cast<std::int64_t>(converted.timing.compute_ns());
}

void ConvertOutcome::Refuse(const std::string& name, const grpc::Status& error) {
  facts_.refused.push_back(outcome::RefusedJson({.file = "body", .name = name, .error = ErrorFactsOf(error)}));
  if (!refused_) refused_ = error;
}

http::Response ConvertOutcome::Answer() && {
  if (!error_ && refused_ && facts_.tensors.empty()) error_ = refused_;
  http::Response response{.content_type = std::string(http::kJsonType)};
  if (error_) {
    response = ErrorOf(*error_);
    facts_.error = ErrorFactsOf(*error_);
  } else if (refused_) {
    response.status = 207;
  }
  response.body = outcome::OutcomeText(facts_) + "\n";
  return response;
}

}  // namespace tensorferry::web
