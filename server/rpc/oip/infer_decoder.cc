#include "rpc/oip/infer_decoder.h"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>

#include "base/status.h"
#include "rpc/oip/infer_reader.h"
#include "rpc/oip/message_layouts.h"
#include "rpc/triton_config/triton_proto.h"
#include "rpc/wire/message_guard.h"
#include "rpc/wire/message_weight.h"
#include "rpc/wire/parsing_room.h"
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
  TENSORFERRY_ASSIGN_OR_RETURN(const RoomToParse room, CheckFieldCounts(message, kModelInferRequestLayout));
  TENSORFERRY_ASSIGN_OR_RETURN(ParsingRoom reserved, ReserveRoom(room, pool));
  auto request = std::make_unique<triton::ModelInferRequest>();
  PieceStream stream(message);
  if (!request->ParseFromZeroCopyStream(&stream)) {
    return MakeError(Reason::kBadChunk, "the message does not parse as inference.ModelInferRequest",
                     {.field = "message"});
  }
  FromProto(*request, parsed_.pieces, request_);
  parsed_.message = std::move(request);
  parsed_.counted = std::move(reserved.kept);
  return absl::OkStatus();
}

}  // namespace tensorferry::rpc
