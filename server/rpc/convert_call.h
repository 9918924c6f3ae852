#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/buffer_pool.h"
#include "base/few.h"
#include "inference/pipeline.h"
#include "payload/array_payload.h"
#include "rpc/call_gate.h"
#include "rpc/request_check.h"
#include "rpc/request_view.h"

namespace tensorferry::rpc {

// What every call needs. Borrows; outlives every call.
struct CallEnvironment {
  inference::Pipeline& pipeline;
  BufferPool& pool;
  CallGate& gate;
  PayloadLimits limits;
  std::uint64_t max_message_bytes;
};

// What one request is answered with.
struct Answer {
  std::string request_id;
  inference::PipelineResponse response;  // convert_time includes the copy of the elements.
  std::chrono::nanoseconds receive_time{0};
  std::chrono::nanoseconds queue_time{0};  // Until an executor took the model's inputs.
  std::optional<CallGate::Pass> pass{};    // The request is worked on until its answer is sent.
};

// One request on its way through the server: header, bytes, answer. The same for the unary call and the stream.
class ConvertCall {
 public:
  // Whether the elements of an array may follow the request.
  enum class Chunks : bool { kRefused, kAllowed };

  // Check all that the request says, refuse what can be refused, then take memory and copy the elements that are here.
  // `request` is not needed afterwards.
  // Errors: DRAINING, and all of docs/errors.md that concern arrays and models; nothing is held then.
  static absl::StatusOr<ConvertCall> Start(const RequestView& request, Chunks chunks,
                                           const CallEnvironment& environment);

  // The name of the array whose chunks are awaited; nothing: the request is complete.
  std::optional<std::string_view> awaited_array() const;

  // Bytes of the awaited array, and of it and all after it.
  std::size_t missing() const;
  std::uint64_t missing_in_all() const;

  // The next bytes of the awaited array; no more than missing().
  // Errors: BOOL_RANGE; the call is then of no further use.
  absl::Status Append(const ScatteredBytes& chunk);

  // Whether Finish takes as long as a model does.
  bool runs_model() const { return !call_.model_name.empty(); }

  // Run the pipeline, once nothing is awaited.
  // Errors: those of Pipeline::Run.
  absl::StatusOr<Answer> Finish() &&;

 private:
  using Clock = std::chrono::steady_clock;

  struct Incoming {
    std::string name;
    ArrayAssembler assembler;
  };

  ConvertCall(const RequestView& request, CallGate::Pass pass, inference::Pipeline& pipeline);
  absl::Status CopyAll(Few<CheckedArray> checked, const RequestView& request, BufferPool& pool);
  absl::Status Copy(Incoming& array, const ScatteredBytes& bytes);
  void CountCopy(Clock::time_point start);

  std::string request_id_;
  inference::PipelineCall call_;
  CallGate::Pass pass_;
  inference::Pipeline* pipeline_;
  Few<Incoming> arrays_;
  std::size_t awaited_ = 0;  // Index of the first array that is not complete.
  Clock::time_point start_ = Clock::now();
  Clock::time_point received_;  // When nothing was awaited any more.
  std::chrono::nanoseconds copy_time_{0};
};

}  // namespace tensorferry::rpc
