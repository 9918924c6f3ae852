// Answers as protobuf: how much of them fits a message, and the rest in chunks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "inference/model_info.h"
#include "payload/dtype.h"
#include "rpc/convert_call.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::rpc {

// Bytes of a chunk that we send, and recommend to callers: below 256 KiB the cost per message dominates, above it
// memory.
inline constexpr std::size_t kChunkBytes = 1 << 20;

// The whole answer in one message.
// Errors: TENSOR_TOO_LARGE, naming the stream, if it would not fit `max_message_bytes`.
absl::StatusOr<v1::ConvertResponse> ToOneMessage(const Answer& answer, std::uint64_t max_message_bytes);

// The answer as stream messages: one if it fits `max_message_bytes`, else a response and the chunks of its tensors.
// `send` returns false when the stream is broken; then nothing more is sent, and the result is false.
// Errors: TENSOR_TOO_LARGE if the metadata alone does not fit; nothing is sent then.
absl::StatusOr<bool> SendAnswer(const Answer& answer, std::uint64_t max_message_bytes,
                                const std::function<bool(const v1::ConvertStreamResponse&)>& send);

v1::ModelInfo ToProto(const inference::ModelInfo& model);
v1::DtypeInfo ToProto(const DTypeInfo& dtype);

}  // namespace tensorferry::rpc
