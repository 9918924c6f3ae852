#include "lib/response_assembler.h"

#include <fmt/format.h>

#include <cstring>
#include <exception>
#include <utility>

#include "base/status.h"
#include "lib/server_error.h"

namespace tensorferry::client {
namespace {

absl::StatusOr<Receipt> ToReceipt(v1::Receipt&& source) {
  Receipt receipt{.source_dtype = std::move(*source.mutable_source_dtype()),
                  .numpy_dtype = std::move(*source.mutable_numpy_dtype()),
                  .dtype_equal = source.dtype_equal()};
  for (const int adjustment : source.adjustments()) {
    if (adjustment == v1::ADJUSTMENT_BYTE_ORDER_SWAPPED) {
      receipt.adjustments.push_back(Adjustment::kByteOrderSwapped);
    } else if (adjustment == v1::ADJUSTMENT_BOOL_NORMALIZED) {
      receipt.adjustments.push_back(Adjustment::kBoolNormalized);
    } else {
      return absl::InternalError(fmt::format("the server made an adjustment unknown here: {}", adjustment));
    }
  }
  if (source.digest().empty()) return receipt;
  if (source.digest().size() != sizeof(Digest)) {
    return absl::InternalError(fmt::format("the server sent a digest of {} bytes, not 16", source.digest().size()));
  }
  std::memcpy(receipt.digest.emplace().data(), source.digest().data(), sizeof(Digest));
  return receipt;
}

absl::StatusOr<TensorData> WrittenData(const v1::SharedMemoryRange& range, OutputLease* outputs) {
  if (outputs == nullptr) return absl::InternalError("elements came in memory that was not offered");
  return outputs->DataAt(range.region(), range.offset(), range.nbytes());
}

absl::StatusOr<Tensor> ToTensor(v1::Tensor&& source, OutputLease* outputs) {
  v1::TensorMetadata& metadata = *source.mutable_metadata();
  Tensor tensor{.name = std::move(*metadata.mutable_name()),
                .dtype = std::move(*metadata.mutable_dtype()),
                .shape = {metadata.shape().begin(), metadata.shape().end()},
                .strides = {metadata.strides().begin(), metadata.strides().end()},
                .numel = metadata.numel(),
                .itemsize = metadata.itemsize(),
                .nbytes = metadata.nbytes(),
                .device = std::move(*metadata.mutable_device())};
  if (metadata.has_receipt()) {
    TENSORFERRY_ASSIGN_OR_RETURN(tensor.receipt, ToReceipt(std::move(*metadata.mutable_receipt())));
  }
  if (source.has_data()) tensor.data.emplace(std::move(*source.mutable_data()));
  if (source.has_shared_memory()) {
    TENSORFERRY_ASSIGN_OR_RETURN(tensor.data, WrittenData(source.shared_memory(), outputs));
  }
  return tensor;
}

absl::Status Contradiction(const Tensor& tensor, std::uint64_t nbytes) {
  return absl::InternalError(fmt::format("the server sent tensor {} of {} bytes with {} bytes of elements",
                                         Quote(tensor.name), tensor.nbytes, nbytes));
}

}  // namespace

absl::StatusOr<ResponseAssembler> ResponseAssembler::Start(v1::ConvertResponse&& message, OutputLease* outputs) {
  ResponseAssembler assembler;
  if (message.has_error()) {
    assembler.error_ = FromProto(message.error());
    return assembler;
  }
  Response& response = *assembler.response_;
  response.request_id = std::move(*message.mutable_request_id());
  response.model_name = std::move(*message.mutable_model_name());
  response.model_version = std::move(*message.mutable_model_version());
  const v1::Timing& timing = message.timing();
  response.timing = {.receive = std::chrono::nanoseconds(timing.receive_ns()),
                     .convert = std::chrono::nanoseconds(timing.convert_ns()),
                     .queue = std::chrono::nanoseconds(timing.queue_ns()),
                     .compute = std::chrono::nanoseconds(timing.compute_ns())};
  TENSORFERRY_RETURN_IF_ERROR(assembler.AddTensors(*message.mutable_tensors(), outputs, response.tensors));
  TENSORFERRY_RETURN_IF_ERROR(assembler.AddTensors(*message.mutable_outputs(), outputs, response.outputs));
  if (outputs != nullptr) outputs->Answered();
  return assembler;
}

absl::Status ResponseAssembler::AddTensors(google::protobuf::RepeatedPtrField<v1::Tensor>& source, OutputLease* outputs,
                                           std::vector<Tensor>& target) {
  target.reserve(static_cast<std::size_t>(source.size()));  // `chunked_` points at the tensors, which must not move.
  for (v1::Tensor& wire : source) {
    const bool chunked = wire.has_chunked_nbytes();
    const std::uint64_t chunked_nbytes = wire.chunked_nbytes();
    TENSORFERRY_ASSIGN_OR_RETURN(Tensor converted, ToTensor(std::move(wire), outputs));
    Tensor& tensor = target.emplace_back(std::move(converted));
    const std::uint64_t nbytes = chunked ? chunked_nbytes : tensor.data ? tensor.data->size() : 0;
    if (tensor.nbytes < 0) return Contradiction(tensor, nbytes);
    if (!chunked && !tensor.data) continue;
    if (nbytes != static_cast<std::uint64_t>(tensor.nbytes)) return Contradiction(tensor, nbytes);
    if (chunked) TENSORFERRY_RETURN_IF_ERROR(AwaitChunks(nbytes, tensor));
  }
  return absl::OkStatus();
}

absl::Status ResponseAssembler::AwaitChunks(std::uint64_t nbytes, Tensor& tensor) {
  tensor.data.emplace();
  if (nbytes == 0) return absl::OkStatus();
  try {
    chunked_.push_back({&tensor, nbytes, {}});
    chunked_.back().bytes.reserve(nbytes);  // Pages are touched only as elements come.
  } catch (const std::exception&) {         // std::bad_alloc or std::length_error.
    return absl::ResourceExhaustedError(fmt::format("no memory here for a tensor of {} bytes", nbytes));
  }
  return absl::OkStatus();
}

absl::Status ResponseAssembler::Append(std::string_view chunk) {
  if (complete()) return absl::InternalError("the server sent a chunk that belongs to no tensor");
  auto& [tensor, nbytes, bytes] = chunked_[current_];
  const std::size_t missing = nbytes - bytes.size();
  if (chunk.size() > missing) {
    return absl::InternalError(fmt::format("the server sent a chunk of {} bytes where tensor {} lacks {}", chunk.size(),
                                           Quote(tensor->name), missing));
  }
  bytes.append(chunk);
  if (chunk.size() < missing) return absl::OkStatus();
  tensor->data.emplace(std::move(bytes));
  ++current_;
  return absl::OkStatus();
}

absl::StatusOr<Response> ResponseAssembler::Finish() && {
  if (!error_.ok()) return error_;
  return std::move(*response_);
}

absl::StatusOr<Response> ToResponse(v1::ConvertResponse&& message) {
  TENSORFERRY_ASSIGN_OR_RETURN(ResponseAssembler assembler, ResponseAssembler::Start(std::move(message)));
  if (!assembler.complete()) return absl::InternalError("the server announced chunks on a call that has none");
  return std::move(assembler).Finish();
}

void AddSwaps(const std::vector<std::size_t>& swapped, Response& response) {
  for (const std::size_t i : swapped) {
    if (i >= response.tensors.size() || !response.tensors[i].receipt) continue;
    std::vector<Adjustment>& adjustments = response.tensors[i].receipt->adjustments;
    adjustments.insert(adjustments.begin(), Adjustment::kByteOrderSwapped);
  }
}

}  // namespace tensorferry::client
