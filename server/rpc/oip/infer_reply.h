// Encodes responses as ModelInferResponse; the elements stay where they are.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/buffer_pool.h"
#include "inference/model_info.h"
#include "rpc/call/response.h"
#include "rpc/oip/infer_request.h"
#include "rpc/wire/wire_writer.h"

namespace tensorferry::rpc {

// Applies `plans` to the outputs: keeps only the largest elements of an output, or writes the output into shared memory
// and sends no elements of it. `model` is the model that ran. The text of the largest elements may be many times as large
// as the output, and is in the memory budget of `pool`, for its peer.
// Errors: those of Classify and BufferPool::Reserve; BAD_SHARED_MEMORY if a region has no room. They name the output.
absl::Status ApplyPlans(const std::vector<OutputPlan>& plans, const inference::ModelInfo& model, const PoolFor& pool,
                        inference::PipelineResponse& result);

// Encodes `response` as a ModelInferResponse.
// Errors: TENSOR_TOO_LARGE if it would not fit `max_message_bytes`.
absl::StatusOr<OutgoingMessage> EncodeInferResponse(const Response& response, std::uint64_t max_message_bytes,
                                                    WireWriter& writer);

// Encodes `response` as a ModelStreamInferResponse.
// Errors: those of EncodeInferResponse.
absl::StatusOr<OutgoingMessage> EncodeStreamInferResponse(const Response& response, std::uint64_t max_message_bytes,
                                                          WireWriter& writer);

// Encodes a ModelStreamInferResponse that refuses the request `id`.
OutgoingMessage EncodeStreamInferError(const std::string& id, const std::string& message);

}  // namespace tensorferry::rpc
