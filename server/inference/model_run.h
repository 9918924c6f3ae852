// ModelRun is one request on its way through a model. Free of torch.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/few.h"
#include "base/memory_budget.h"
#include "base/memory_peer.h"
#include "inference/result.h"
#include "payload/array_payload.h"

namespace tensorferry::inference {

using Clock = std::chrono::steady_clock;

// WaitingElements are elements that are still in the message that brought them. Once it is known which requests run
// together, they are copied straight into the rows of one tensor.
struct WaitingElements {
  ArrayHeader header;  // In C order.
  CopyOptions options;
  ScatteredBytes bytes;                   // `bytes` has header.nbytes() bytes.
  MemoryBudget::Reservation reservation;  // Holds header.nbytes() bytes of the memory budget, until a run takes them.
};

// ModelInput is an input of a model.
struct ModelInput {
  std::string name;
  std::variant<ArrayPayload, WaitingElements> array;
  // The shape of the strings, if the input is strings. `array` then holds their raw form as uint8 (payload/strings.h).
  std::optional<Shape> strings{};

  const Shape& shape() const { return strings ? *strings : header().shape(); }
  const ArrayHeader& header() const {
    return std::visit([](const auto& form) -> const ArrayHeader& { return form.header; }, array);
  }
};

struct RunOptions {
  std::vector<std::string> requested_outputs;  // Empty: all outputs.
  bool return_data = false;                    // The response also has the elements of the converted tensors.
  std::uint64_t priority = 0;                  // 1 is the highest; 0: the model's default.
  // The longest time in the queue, if the model allows callers to set it; 0: none is set.
  std::chrono::microseconds timeout{0};
};

// ModelRun is a request that a model is to run. Its owner keeps it until Complete is called.
class ModelRun {
 public:
  virtual ~ModelRun() = default;

  Few<ModelInput> inputs;  // Their names are distinct, and fit the model.
  RunOptions options;
  Clock::time_point deadline = Clock::time_point::max();
  // Whether the thread that calls Submit may run models. Not if others wait for that thread and none stands in for it,
  // as for one that copies large messages, or an executor's of another model.
  bool may_run_here = true;
  // Whether that thread tells when it is idle, so that requests which come until then can join.
  bool tells_idle = true;
  absl::StatusOr<PipelineResponse> result = absl::UnknownError("not run");

  // Checks that the caller still waits for the result. Called on any thread.
  // Errors: DEADLINE, CANCELLED.
  virtual absl::Status CheckCaller() const = 0;

  // Returns for whom memory is counted that the run takes. Null: for nobody in particular.
  virtual const MemoryPeer* peer() const { return nullptr; }

  // Says that the bytes of WaitingElements are not needed any more.
  virtual void InputsTaken() {}

  // Says that `result` is set. Called once, on any thread, also before Submit returns. The run may be gone when
  // Complete returns.
  virtual void Complete() = 0;
};

// Counts the rows that a request adds to a batch, by the first dimension of its inputs; 1 if the model has no batches.
inline std::int64_t RowsOf(const ModelRun& run, bool batches) {
  return batches && !run.inputs.empty() ? run.inputs.front().shape().front() : 1;
}

// Counts the bytes of all inputs of a request.
inline std::uint64_t BytesOf(const ModelRun& run) {
  std::uint64_t nbytes = 0;
  for (const ModelInput& input : run.inputs) nbytes += input.header().nbytes();
  return nbytes;
}

}  // namespace tensorferry::inference
