// One request on its way through a model. Free of torch.
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
#include "inference/result.h"
#include "payload/array_payload.h"

namespace tensorferry::inference {

using Clock = std::chrono::steady_clock;

// Elements that are still in the message that brought them: when it is known which requests run together, they are
// copied straight into the rows of one tensor.
struct WaitingElements {
  ArrayHeader header;  // In C order.
  CopyOptions options;
  ScatteredBytes bytes;                   // header.nbytes() of them.
  MemoryBudget::Reservation reservation;  // For as many.
};

// An input of a model.
struct ModelInput {
  std::string name;
  std::variant<ArrayPayload, WaitingElements> array;
  std::optional<Shape> strings{};  // Of strings: their shape; the array is uint8, their raw form (payload/strings.h).

  const Shape& shape() const { return strings ? *strings : header().shape(); }
  const ArrayHeader& header() const {
    return std::visit([](const auto& form) -> const ArrayHeader& { return form.header; }, array);
  }
};

struct RunOptions {
  std::vector<std::string> requested_outputs;  // Empty: all.
  bool return_data = false;                    // Give the converted tensors' elements back, too.
  std::uint64_t priority = 0;                  // 1 is the highest; 0: the model's default.
  std::chrono::microseconds timeout{0};        // In the queue, where the model allows callers to set it; 0: none.
};

// A request that a model is to run. Who submits it keeps it until Complete is called.
class ModelRun {
 public:
  virtual ~ModelRun() = default;

  Few<ModelInput> inputs;  // Distinct names, which fit the model.
  RunOptions options;
  Clock::time_point deadline = Clock::time_point::max();
  absl::StatusOr<PipelineResponse> result = absl::UnknownError("not run");

  // Whether anybody still waits for the result. Any thread.
  // Errors: DEADLINE, CANCELLED.
  virtual absl::Status CheckCaller() const = 0;

  // The bytes of WaitingElements are not needed any more.
  virtual void InputsTaken() {}

  // `result` is there. Called once, on any thread, also before Submit returns; the run may be gone when it returns.
  virtual void Complete() = 0;
};

}  // namespace tensorferry::inference
