#include "rpc/oip/infer_reply.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "base/reversed.h"
#include "base/status.h"
#include "rpc/oip/classification.h"
#include "rpc/oip/datatype.h"
#include "rpc/triton_config/triton_proto.h"
#include "rpc/wire/wire_format.h"

namespace tensorferry::rpc {
namespace {

// WireWriter writes fields from the last to the first.

using inference::TensorResult;
using InferResponse = triton::ModelInferResponse;

constexpr std::string_view kFinalResponse = "triton_final_response";

absl::Status WriteShared(const OutputPlace& place, TensorResult& output) {
  const std::span<const std::byte> bytes = output.elements->bytes;
  if (bytes.size() > place.nbytes()) {
    return MakeError(Reason::kBadSharedMemory,
                     fmt::format("{} with shape {} needs {} bytes, the place in shared memory region {} has {}",
                                 OipNameOf(output.metadata.dtype), ToText(output.metadata.shape), bytes.size(),
                                 Quote(place.region()), place.nbytes()),
                     {.field = "shared_memory_byte_size",
                      .expected = fmt::to_string(bytes.size()),
                      .actual = fmt::to_string(place.nbytes())});
  }
  TENSORFERRY_RETURN_IF_ERROR(place.Write(0, bytes));
  output.elements = inference::TensorElements{};
  return absl::OkStatus();
}

// CountedElements are elements, and the part of the memory budget that they take.
struct CountedElements {
  std::shared_ptr<const void> owner;
  MemoryBudget::Reservation reservation;
};

absl::Status Count(inference::TensorElements& elements, const PoolFor& pool) {
  TENSORFERRY_ASSIGN_OR_RETURN(MemoryBudget::Reservation reservation, pool.Reserve(elements.bytes.size()));
  elements.owner =
      std::make_shared<const CountedElements>(CountedElements{std::move(elements.owner), std::move(reservation)});
  return absl::OkStatus();
}

absl::Status Apply(const OutputPlan& plan, const inference::ModelInfo& model, const PoolFor& pool,
                   TensorResult& output) {
  if (plan.shared) return WriteShared(*plan.shared, output);
  const auto spec = std::ranges::find(model.outputs, plan.name, &inference::TensorSpec::name);
  const std::span<const std::string> labels =
      spec == model.outputs.end() ? std::span<const std::string>() : std::span(spec->labels);
  TENSORFERRY_ASSIGN_OR_RETURN(output, Classify(output, plan.classes, model.max_batch_size > 0, labels));
  return Count(*output.elements, pool);
}

void WriteOutput(WireWriter& writer, const TensorResult& output) {
  const std::size_t end = writer.size();
  writer.Packed(InferResponse::InferOutputTensor::kShapeFieldNumber, output.metadata.shape);
  writer.Text(InferResponse::InferOutputTensor::kDatatypeFieldNumber, OipNameOf(output.metadata.dtype));
  writer.Text(InferResponse::InferOutputTensor::kNameFieldNumber, output.metadata.name);
  writer.Nested(InferResponse::kOutputsFieldNumber, end);
}

void WriteFinalResponse(WireWriter& writer) {
  const std::size_t end = writer.size();
  writer.OneofVarint(triton::InferParameter::kBoolParamFieldNumber, 1);
  writer.Nested(kEntryValue, end);
  writer.Text(kEntryName, kFinalResponse);
  writer.Nested(InferResponse::kParametersFieldNumber, end);
}

// Writes a ModelInferResponse into `writer`.
void WriteResponse(WireWriter& writer, const Response& response, bool streamed) {
  writer.Clear();
  const std::vector<TensorResult>& outputs = response.result.outputs;
  for (const TensorResult& output : Reversed(outputs)) {
    writer.RepeatedBytes(InferResponse::kRawOutputContentsFieldNumber, output.elements->bytes, output.elements->owner);
  }
  for (const TensorResult& output : Reversed(outputs)) WriteOutput(writer, output);
  if (streamed) WriteFinalResponse(writer);
  writer.Text(InferResponse::kIdFieldNumber, response.request_id);
  writer.Text(InferResponse::kModelVersionFieldNumber, response.result.model_version);
  writer.Text(InferResponse::kModelNameFieldNumber, response.result.model_name);
}

absl::StatusOr<OutgoingMessage> Finish(WireWriter& writer, std::uint64_t max_message_bytes) {
  if (writer.size() <= max_message_bytes) return writer.Finish();
  return MakeError(
      Reason::kTensorTooLarge,
      fmt::format("the response needs {} bytes, a message holds at most {}; shared memory, or ConvertStream "
                  "of tensorferry.v1.TensorService, takes more",
                  writer.size(), max_message_bytes),
      {.actual = fmt::to_string(writer.size()), .limit = fmt::to_string(max_message_bytes)});
}

}  // namespace

absl::Status ApplyPlans(const std::vector<OutputPlan>& plans, const inference::ModelInfo& model, const PoolFor& pool,
                        inference::PipelineResponse& result) {
  // Plans and outputs are both in the order in which the outputs were requested.
  auto plan = plans.begin();
  for (TensorResult& output : result.outputs) {
    if (plan == plans.end()) break;
    if (output.metadata.name != plan->name) continue;
    TENSORFERRY_RETURN_IF_ERROR(InOutput(plan->name, Apply(*plan, model, pool, output)));
    ++plan;
  }
  return absl::OkStatus();
}

absl::StatusOr<OutgoingMessage> EncodeInferResponse(const Response& response, std::uint64_t max_message_bytes,
                                                    WireWriter& writer) {
  WriteResponse(writer, response, /*streamed=*/false);
  return Finish(writer, max_message_bytes);
}

absl::StatusOr<OutgoingMessage> EncodeStreamInferResponse(const Response& response, std::uint64_t max_message_bytes,
                                                          WireWriter& writer) {
  WriteResponse(writer, response, /*streamed=*/true);
  writer.Nested(triton::ModelStreamInferResponse::kInferResponseFieldNumber, 0);
  return Finish(writer, max_message_bytes);
}

OutgoingMessage EncodeStreamInferError(const std::string& id, const std::string& message) {
  triton::ModelStreamInferResponse response;
  response.set_error_message(message);
  response.mutable_infer_response()->set_id(id);
  const grpc::Slice slice(response.SerializeAsString());
  return {&slice, 1};
}

}  // namespace tensorferry::rpc
