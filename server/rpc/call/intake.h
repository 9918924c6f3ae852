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
#include "base/sealed_regions.h"
#include "base/shared_memory.h"
#include "inference/converter.h"
#include "inference/model_catalog.h"
#include "payload/array_payload.h"
#include "rpc/call/request_check.h"
#include "rpc/call/request_view.h"
#include "rpc/call/response.h"
#include "rpc/serve/call_chain.h"

namespace tensorferry::rpc {

// CallEnvironment holds what every call uses. Borrows its members, and outlives every call.
struct CallEnvironment {
  inference::Converter& converter;
  inference::ModelCatalog& models;
  BufferPool& pool;
  const CallChain& chain;
  SharedRegions& regions;
  PayloadLimits limits;
  std::uint64_t max_message_bytes;
  std::string torch_version{};
  bool tls = false;                       // Whether TCP addresses serve TLS.
  bool gpus = false;                      // Whether regions of GPUs' memory can be registered.
  const SealedRegions* sealed = nullptr;  // Null: sealed memory is not taken.
};

// Intake takes one request in: it checks the request, and brings its elements into memory. Every method of every
// protocol uses it.
class Intake {
 public:
  // Origin says where the elements of a request come from.
  struct Origin {
    bool in_chunks = false;  // Those of an array may follow the request in chunks.
    // Protobuf's parser has read the message, and they lie in what it has made. That may take many times what the
    // message takes, be it for fields that nobody knows: it is not kept while a model is waited for.
    bool parsed = false;
  };

  // ForModel is what a model needs of the request.
  struct ForModel {
    std::shared_ptr<inference::ModelVersion> model;
    Few<inference::ModelInput> inputs;
    inference::RunOptions options;
  };

  // Checks all that the request says, and refuses what can be refused; only then takes memory, and copies the elements
  // that have come. Elements that a model may want in a batch stay in the message, unless it was parsed: for them the
  // memory budget is reserved. Afterwards `request` is needed only if is_long(), and the message if needs_message() as
  // well.
  // Memory is taken for `peer`; null: for nobody in particular. It is borrowed until the result is there.
  // Errors: all of docs/errors.md that concern arrays and models. An error holds no memory.
  static absl::StatusOr<Intake> Start(const RequestView& request, Origin origin, const CallEnvironment& environment,
                                      const MemoryPeer* peer);

  // Returns whether no elements were taken in yet, since that takes long: the request names that much in memory of the
  // caller's. Then GoOn is called on a thread of the WorkerPool, before anything else is.
  bool is_long() const { return rest_ != nullptr; }

  // Takes in what Start has left, once. Until then `request` and its message stay as they are.
  // Errors: those of Start that concern memory and elements. The object is then of no use.
  absl::Status GoOn();

  // Returns the name of the array whose chunks are awaited. Nothing if the request is complete.
  std::optional<std::string_view> awaited_array() const;

  // Returns the bytes that the awaited array lacks.
  std::size_t missing() const;

  // Returns the bytes of all arrays whose elements are copied, or will be once they come.
  std::uint64_t copied_bytes() const;

  // Returns the bytes that the awaited array and all arrays after it lack.
  std::uint64_t missing_in_all() const;

  // Copies the next bytes of the awaited array; `chunk` has no more than missing().
  // Errors: BOOL_RANGE, MEMORY_BUDGET; afterwards this object is of no use.
  absl::Status Append(const ScatteredBytes& chunk);

  // Returns whether the request names a model. If so, a complete request goes on in a ModelRequest, else with Finish.
  bool runs_model() const { return model_ != nullptr; }

  // Returns the model that the request names. Null if it names none, and after TakeForModel.
  const std::shared_ptr<inference::ModelVersion>& model() const { return model_; }

  // Returns whether elements stay in the message until the model takes them.
  bool needs_message() const;

  // Makes tensors of the arrays, if no model is to run. Call it once no array is awaited.
  // Errors: those of Converter::Convert and Respond.
  absl::StatusOr<Response> Finish() &&;

  // Hands over what the model needs. The model's result goes to Respond. Call it once no array is awaited.
  ForModel TakeForModel();

  // Makes the response with `result`.
  // Errors: BAD_SHARED_MEMORY if a region that holds an array has become smaller meanwhile.
  absl::StatusOr<Response> Respond(inference::PipelineResponse&& result);

 private:
  using Clock = inference::Clock;

  // Incoming is an array that may lack elements. Once it is complete, it becomes a ModelInput or NamedArray.
  struct Incoming {
    std::string name;
    std::variant<ArrayAssembler, inference::WaitingElements, ArrayPayload> array;
    std::optional<Shape> strings;  // As ModelInput::strings.

    std::size_t missing() const;
    ArrayPayload TakePayload() &&;  // `array` holds no WaitingElements.
    inference::ModelInput TakeForModel() &&;
  };

  // Rest is what Start has left to GoOn.
  struct Rest {
    Few<CheckedArray> checked;
    const RequestView& request;
    PoolFor pool;
  };

  Intake(const RequestView& request, Origin origin, inference::Converter& converter, const MemoryPeer* peer)
      : origin_(origin),
        options_{.requested_outputs = {request.requested_outputs.begin(), request.requested_outputs.end()},
                 .return_data = request.return_data,
                 .priority = request.priority,
                 .timeout = request.timeout},
        converter_(&converter),
        peer_(peer) {}
  absl::Status CheckModel(const Few<CheckedArray>& checked, const RequestView& request) const;
  // Has the budget admit what a model makes of strings.
  absl::Status CountStrings(const Few<CheckedArray>& checked, const PoolFor& pool);
  // Returns the bytes for which memory will be taken; the largest number if no number is so large.
  std::uint64_t SumOf(const Few<CheckedArray>& checked) const;
  // Whether the elements that the request names elsewhere take long to read.
  bool NamesMuch(const Few<CheckedArray>& checked, const RequestView& request) const;
  // Takes memory and elements, or says that the request can never have its memory.
  absl::Status TakeAll(Few<CheckedArray> checked, const RequestView& request, const PoolFor& pool);
  // Whether an array in shared memory is used where it lies; else it is copied.
  bool StaysShared(const CheckedArray& array) const;
  absl::Status TakeIn(Few<CheckedArray> checked, const RequestView& request, const PoolFor& pool);
  // Whether elements may stay in the message until they are copied into a batch.
  bool may_wait() const { return model_ != nullptr && model_->batches() && !origin_.parsed; }
  // Whether an array in sealed memory is used where it lies.
  bool StaysSealed(const CheckedArray& array) const;
  // Whether the model that runs may write into the elements of an array that stays where it lies.
  bool computes() const { return model_ != nullptr && !model_->passes_on(); }
  absl::Status TakeSealed(std::string_view name, CheckedArray&& checked, const CopyOptions& options,
                          const PoolFor& pool);
  absl::Status CopyIn(std::string_view name, CheckedArray&& checked, Bytes elements, const CopyOptions& options,
                      const PoolFor& pool);
  absl::Status TakeShared(std::string_view name, CheckedArray&& checked, const CopyOptions& options,
                          const PoolFor& pool);
  absl::Status TakeFromDevice(std::string_view name, CheckedArray&& checked, const CopyOptions& options,
                              const PoolFor& pool);
  absl::Status Copy(Incoming& array, const ScatteredBytes& bytes);
  void CountCopy(Clock::time_point start);

  Origin origin_;
  inference::RunOptions options_;
  inference::Converter* converter_;
  const MemoryPeer* peer_;  // Null: nobody in particular.
  std::shared_ptr<inference::ModelVersion> model_;
  std::unique_ptr<Rest> rest_;  // Null but for a request that is_long().
  Few<Incoming> arrays_;
  MemoryBudget::Reservation described_;                       // For what is known of many arrays, and for strings.
  std::vector<std::shared_ptr<const SharedRegion>> regions_;  // The regions in which arrays lie that were not copied.
  std::size_t awaited_ = 0;                                   // Index of the first array that is not complete.
  Clock::time_point start_ = Clock::now();
  Clock::time_point received_;  // The time when the last elements came.
  std::chrono::nanoseconds copy_time_{0};
};

}  // namespace tensorferry::rpc
