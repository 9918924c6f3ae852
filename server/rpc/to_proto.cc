#include "rpc/to_proto.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/status.h"

namespace tensorferry::rpc {
namespace {

// More than the tag and length of an element field, and of the stream message around the response.
constexpr std::size_t kFieldOverhead = 16;

void FillReceipt(const inference::Receipt& receipt, v1::Receipt& proto) {
  proto.set_source_dtype(receipt.source_dtype);
  proto.set_numpy_dtype(std::string(receipt.numpy_dtype));
  proto.set_dtype_equal(receipt.dtype_equal);
  if (receipt.byte_order_swapped) proto.add_adjustments(v1::ADJUSTMENT_BYTE_ORDER_SWAPPED);
  if (receipt.bools_normalized) proto.add_adjustments(v1::ADJUSTMENT_BOOL_NORMALIZED);
  if (receipt.digest) proto.set_digest(receipt.digest->data(), receipt.digest->size());
}

void FillMetadata(const inference::TensorResult& result, v1::TensorMetadata& proto) {
  const inference::TensorMetadata& metadata = result.metadata;
  proto.set_name(metadata.name);
  proto.set_dtype(metadata.dtype);
  proto.mutable_shape()->Assign(metadata.shape.begin(), metadata.shape.end());
  proto.mutable_strides()->Assign(metadata.strides.begin(), metadata.strides.end());
  proto.set_numel(metadata.numel);
  proto.set_itemsize(static_cast<std::int32_t>(metadata.itemsize));
  proto.set_nbytes(metadata.nbytes);
  proto.set_device(metadata.device);
  if (result.receipt) FillReceipt(*result.receipt, *proto.mutable_receipt());
}

// The answer without elements.
v1::ConvertResponse Header(const Answer& answer) {
  const inference::PipelineResponse& response = answer.response;
  const auto count = [](std::chrono::nanoseconds time) { return static_cast<std::uint64_t>(time.count()); };
  v1::ConvertResponse proto;
  proto.set_request_id(answer.request_id);
  proto.set_model_name(response.model_name);
  proto.set_model_version(response.model_version);
  for (const auto& tensor : response.tensors) FillMetadata(tensor, *proto.add_tensors()->mutable_metadata());
  for (const auto& output : response.outputs) FillMetadata(output, *proto.add_outputs()->mutable_metadata());
  proto.mutable_timing()->set_receive_ns(count(answer.receive_time));
  proto.mutable_timing()->set_convert_ns(count(response.convert_time));
  proto.mutable_timing()->set_queue_ns(count(response.queue_time));
  proto.mutable_timing()->set_compute_ns(count(response.compute_time));
  return proto;
}

// Call `visit` with the elements of each tensor that has some, and its message: tensors first, then outputs.
template <typename Visit>
void ForEachElements(const Answer& answer, v1::ConvertResponse& proto, Visit&& visit) {
  const auto visit_all = [&](const std::vector<inference::TensorResult>& results, auto& messages) {
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (results[i].elements) visit(results[i].elements->bytes, *messages.Mutable(static_cast<int>(i)));
    }
  };
  visit_all(answer.response.tensors, *proto.mutable_tensors());
  visit_all(answer.response.outputs, *proto.mutable_outputs());
}

// Bytes of the header, and of the message with all elements in it.
std::pair<std::size_t, std::size_t> Sizes(const Answer& answer, v1::ConvertResponse& header) {
  const std::size_t header_size = header.ByteSizeLong() + kFieldOverhead;
  std::size_t whole_size = header_size;
  ForEachElements(answer, header, [&](std::span<const std::byte> elements, v1::Tensor&) {
    whole_size += elements.size() + kFieldOverhead;
  });
  return {header_size, whole_size};
}

void SetData(const Answer& answer, v1::ConvertResponse& header) {
  ForEachElements(answer, header, [](std::span<const std::byte> elements, v1::Tensor& tensor) {
    tensor.set_data(elements.data(), elements.size());
  });
}

absl::Status TooLarge(std::size_t size, std::uint64_t max_message_bytes, std::string_view advice) {
  return MakeError(
      Reason::kTensorTooLarge,
      fmt::format("the response needs {} bytes, a message holds at most {}; {}", size, max_message_bytes, advice),
      {.actual = fmt::to_string(size), .limit = fmt::to_string(max_message_bytes)});
}

bool SendChunks(std::span<const std::byte> elements,
                const std::function<bool(const v1::ConvertStreamResponse&)>& send) {
  v1::ConvertStreamResponse message;
  while (!elements.empty()) {
    const auto chunk = elements.first(std::min(elements.size(), kChunkBytes));
    message.set_chunk(chunk.data(), chunk.size());
    if (!send(message)) return false;
    elements = elements.subspan(chunk.size());
  }
  return true;
}

v1::ModelState ToProto(inference::ModelState state) {
  switch (state) {
    case inference::ModelState::kLoading: return v1::MODEL_STATE_LOADING;
    case inference::ModelState::kReady: return v1::MODEL_STATE_READY;
    case inference::ModelState::kUnavailable: return v1::MODEL_STATE_UNAVAILABLE;
    case inference::ModelState::kUnloading: return v1::MODEL_STATE_UNLOADING;
  }
  __builtin_unreachable();
}

void FillSpecs(const std::vector<inference::TensorSpec>& specs,
               google::protobuf::RepeatedPtrField<v1::TensorSpec>& protos) {
  for (const inference::TensorSpec& spec : specs) {
    v1::TensorSpec& proto = *protos.Add();
    proto.set_name(spec.name);
    proto.set_dtype(spec.dtype);
    proto.mutable_shape()->Assign(spec.shape.begin(), spec.shape.end());
  }
}

}  // namespace

absl::StatusOr<v1::ConvertResponse> ToOneMessage(const Answer& answer, std::uint64_t max_message_bytes) {
  v1::ConvertResponse message = Header(answer);
  const auto [header_size, whole_size] = Sizes(answer, message);
  if (whole_size > max_message_bytes) {
    return TooLarge(whole_size, max_message_bytes, "use ConvertStream, which sends it in chunks");
  }
  SetData(answer, message);
  return message;
}

absl::StatusOr<bool> SendAnswer(const Answer& answer, std::uint64_t max_message_bytes,
                                const std::function<bool(const v1::ConvertStreamResponse&)>& send) {
  v1::ConvertStreamResponse message;
  *message.mutable_response() = Header(answer);
  const auto [header_size, whole_size] = Sizes(answer, *message.mutable_response());
  if (whole_size <= max_message_bytes) {
    SetData(answer, *message.mutable_response());
    return send(message);
  }
  if (header_size > max_message_bytes)
    return TooLarge(header_size, max_message_bytes, "send fewer arrays in a request");

  std::vector<std::span<const std::byte>> chunked;
  ForEachElements(answer, *message.mutable_response(), [&](std::span<const std::byte> elements, v1::Tensor& tensor) {
    tensor.set_chunked_nbytes(elements.size());
    chunked.push_back(elements);
  });
  if (!send(message)) return false;
  return std::ranges::all_of(chunked, [&](std::span<const std::byte> elements) { return SendChunks(elements, send); });
}

v1::ModelInfo ToProto(const inference::ModelInfo& model) {
  v1::ModelInfo proto;
  proto.set_name(model.name);
  proto.set_version(model.version);
  proto.set_state(ToProto(model.state));
  proto.set_reason(model.reason);
  proto.set_platform(model.platform);
  FillSpecs(model.inputs, *proto.mutable_inputs());
  FillSpecs(model.outputs, *proto.mutable_outputs());
  proto.set_sha256(model.sha256);
  return proto;
}

v1::DtypeInfo ToProto(const DTypeInfo& dtype) {
  v1::DtypeInfo proto;
  proto.set_numpy_dtype(std::string(dtype.name));
  proto.set_numpy_descr(std::string(dtype.descr));
  proto.set_torch_dtype(std::string(dtype.name));
  proto.set_itemsize(static_cast<std::int32_t>(dtype.itemsize));
  proto.set_oip_datatype(std::string(dtype.oip));
  return proto;
}

}  // namespace tensorferry::rpc
