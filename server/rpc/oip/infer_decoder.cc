#include "rpc/oip/infer_decoder.h"

#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/status.h"
#include "rpc/oip/infer_reader.h"
#include "rpc/oip/message_layouts.h"
#include "rpc/triton_config/triton_proto.h"
#include "rpc/wire/message_guard.h"
#include "rpc/wire/message_weight.h"
#include "rpc/wire/piece_stream.h"

namespace tensorferry::rpc {
namespace {

using Parameters = google::protobuf::Map<std::string, triton::InferParameter>;

ParameterView FromProto(const std::string& name, const triton::InferParameter& value) {
  switch (value.parameter_choice_case()) {
    case triton::InferParameter::kBoolParam: return {name, value.bool_param()};
    case triton::InferParameter::kInt64Param: return {name, std::int64_t{value.int64_param()}};
    case triton::InferParameter::kStringParam: return {name, std::string_view(value.string_param())};
    case triton::InferParameter::kDoubleParam: return {name, value.double_param()};
    case triton::InferParameter::kUint64Param: return {name, std::uint64_t{value.uint64_param()}};
    case triton::InferParameter::PARAMETER_CHOICE_NOT_SET: return {name, std::monostate()};
  }
  __builtin_unreachable();
}

// Half of `room` would be admitted where all of it can never be, and the caller be told to come back for ever.
absl::Status CheckEverFits(std::uint64_t room, std::uint64_t limit) {
  if (room <= limit) return absl::OkStatus();
  return MakeError(
      Reason::kTensorTooLarge,
      fmt::format("the elements need up to {} bytes while the message is parsed, which can never fit the server's "
                  "memory budget of {} bytes; raw_input_contents need less",
                  room, limit),
      {.field = "contents", .actual = fmt::to_string(room), .limit = fmt::to_string(limit)});
}

std::vector<ParameterView> FromProto(const Parameters& parameters) {
  std::vector<ParameterView> views;
  for (const auto& [name, value] : parameters) views.push_back(FromProto(name, value));
  return views;
}

}  // namespace

void FromProto(const triton::ModelInferRequest& request, std::vector<Bytes>& pieces, InferRequestView& view) {
  view.model_name = request.model_name();
  view.model_version = request.model_version();
  view.id = request.id();
  view.parameters = FromProto(request.parameters());
  view.inputs.clear();
  for (const auto& input : request.inputs()) {
    view.inputs.push_back({.name = input.name(),
                           .datatype = input.datatype(),
                           .shape = Shape(input.shape().begin(), input.shape().end()),
                           .parameters = FromProto(input.parameters()),
                           .contents = input.has_contents() ? &input.contents() : nullptr});
  }
  view.outputs.clear();
  for (const auto& output : request.outputs()) view.outputs.push_back({output.name(), FromProto(output.parameters())});
  pieces.clear();
  for (const std::string& raw : request.raw_input_contents()) pieces.push_back(std::as_bytes(std::span(raw)));
  view.raw_input_contents.clear();
  for (const Bytes& piece : pieces) view.raw_input_contents.emplace_back(&piece, 0, piece.size());
}

bool InferDecoder::IsLongToRead(std::span<const Bytes> message) {
  return rpc::IsLongToRead(message, kModelInferRequestLayout);
}

absl::Status InferDecoder::Decode(std::span<const Bytes> message, const PoolFor* pool) {
  Clear();
  TENSORFERRY_RETURN_IF_ERROR(CheckMetadataSize(message, kModelInferRequestLayout));
  return ReadInferRequest(message, scratch_, request_) ? absl::OkStatus() : Parse(message, pool);
}

absl::Status InferDecoder::Parse(std::span<const Bytes> message, const PoolFor* pool) {
  TENSORFERRY_ASSIGN_OR_RETURN(const std::uint64_t room, CheckFieldCounts(message, kModelInferRequestLayout));
  MemoryBudget::Reservation counted;
  MemoryBudget::Reservation until_parsed;  // Leaves room for the copy, which the budget then admits by itself.
  if (pool != nullptr) {
    TENSORFERRY_RETURN_IF_ERROR(CheckEverFits(room, pool->pool.budget().limit()));
    TENSORFERRY_ASSIGN_OR_RETURN(counted, pool->Reserve(room / 2));
    TENSORFERRY_ASSIGN_OR_RETURN(until_parsed, pool->Reserve(room - room / 2));
  }
  auto request = std::make_unique<triton::ModelInferRequest>();
  PieceStream stream(message);
  if (!request->ParseFromZeroCopyStream(&stream)) {
    return MakeError(Reason::kBadChunk, "the message does not parse as inference.ModelInferRequest",
                     {.field = "message"});
  }
  FromProto(*request, parsed_.pieces, request_);
  parsed_.message = std::move(request);
  parsed_.counted = std::move(counted);
  return absl::OkStatus();
}

}  // namespace tensorferry::rpc
