#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/buffer_pool.h"
#include "base/few.h"
#include "base/shared_memory.h"
#include "inference/pipeline.h"
#include "payload/array_payload.h"
#include "rpc/call/request_check.h"
#include "rpc/call/request_view.h"
#include "rpc/call/response.h"
#include "rpc/serve/call_gate.h"

namespace tensorferry::rpc {

// What every call needs. Borrows; outlives every call.
struct CallEnvironment {
  inference::Pipeline& pipeline;
  BufferPool& pool;
  CallGate& gate;
  SharedRegions& regions;
  PayloadLimits limits;
  std::uint64_t max_message_bytes;
};

// One request on its way through the server: header, bytes, answer. The same for the unary call and the stream.
class Intake {
 public:
  // Whether the elements of an array may follow the request.
  enum class Chunks : bool { kRefused, kAllowed };

  // Check all that the request says, refuse what can be refused, then take memory and copy the elements that are here;
  // but those that a model may want in a batch stay in the message, and only their memory is admitted. `request` itself
  // is not needed afterwards.
  // Errors: DRAINING, and all of docs/errors.md that concern arrays and models; nothing is held then.
  static absl::StatusOr<Intake> Start(const RequestView& request, Chunks chunks, const CallEnvironment& environment);

  // The name of the array whose chunks are awaited; nothing: the request is complete.
  std::optional<std::string_view> awaited_array() const;

  // Bytes of the awaited array, and of it and all after it.
  std::size_t missing() const;
  std::uint64_t missing_in_all() const;

  // The next bytes of the awaited array; no more than missing().
  // Errors: BOOL_RANGE; the call is then of no further use.
  absl::Status Append(const ScatteredBytes& chunk);

  // Whether a model is to run: then ModelRequest goes on, else Finish.
  bool runs_model() const { return model_ != nullptr; }

  // Null: none.
  const std::shared_ptr<inference::ModelVersion>& model() const { return model_; }

  // Whether elements stay in the message until the model takes them.
  bool needs_message() const;

  // Make tensors of the arrays, once nothing is awaited.
  // Errors: those of Pipeline::Convert; BAD_SHARED_MEMORY for what became smaller meanwhile.
  absl::StatusOr<Response> Finish() &&;

 private:
  friend class ModelRequest;
  using Clock = inference::Clock;

  struct Incoming {
    std::string name;
    std::variant<ArrayAssembler, inference::WaitingElements, ArrayPayload> array;
    std::optional<Shape> strings;

    std::size_t missing() const;
    ArrayPayload TakePayload() &&;  // Of what does not wait.
    std::variant<ArrayPayload, inference::WaitingElements> TakeForModel() &&;
  };

  Intake(const RequestView& request, CallGate::Pass pass, inference::Pipeline& pipeline)
      : request_id_(request.request_id),
        return_data_(request.return_data),
        requested_outputs_(request.requested_outputs.begin(), request.requested_outputs.end()),
        priority_(request.priority),
        timeout_(request.timeout),
        pass_(std::move(pass)),
        pipeline_(&pipeline) {}
  absl::Status CheckModel(const Few<CheckedArray>& checked, const RequestView& request) const;
  absl::Status TakeIn(Few<CheckedArray> checked, const RequestView& request, BufferPool& pool);
  absl::Status TakeShared(std::string_view name, CheckedArray&& checked, const CopyOptions& options, BufferPool& pool);
  absl::Status CheckRegions() const;
  absl::Status Copy(Incoming& array, const ScatteredBytes& bytes);
  void CountCopy(Clock::time_point start);
  Response ResponseOf(inference::PipelineResponse&& result);

  std::string request_id_;
  bool return_data_;
  std::vector<std::string> requested_outputs_;
  std::uint64_t priority_;
  std::chrono::microseconds timeout_;
  CallGate::Pass pass_;
  inference::Pipeline* pipeline_;
  std::shared_ptr<inference::ModelVersion> model_;  // Null: conversion only.
  Few<Incoming> arrays_;
  std::vector<std::shared_ptr<const SharedRegion>> regions_;  // In which arrays stay.
  std::size_t awaited_ = 0;                                   // Index of the first array that is not complete.
  Clock::time_point start_ = Clock::now();
  Clock::time_point received_;  // When nothing was awaited any more.
  std::chrono::nanoseconds copy_time_{0};
};

}  // namespace tensorferry::rpc
