#include "inference/repository/torch_pipeline.h"

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <torch/version.h>

#include <utility>

#include "base/status.h"
#include "inference/engine/aoti_model.h"
#include "inference/engine/identity_model.h"
#include "inference/repository/model_loader.h"
#include "inference/repository/model_registry.h"
#include "inference/repository/model_repository.h"
#include "inference/tensor/catch_torch.h"
#include "inference/tensor/conversion.h"
#include "inference/tensor/operator_threads.h"
#include "inference/tensor/tensor.h"
#include "inference/tensor/torch_log.h"

namespace tensorferry::inference {
namespace {

// Makes the model that is part of the server; any number of threads may run it at once.
std::shared_ptr<ServedModel> MakeIdentity(const LoaderOptions& options, BufferPool& pool) {
  const auto engine = std::make_shared<IdentityModel>();
  const ServedModel::Options served{
      .runner = {.max_tensor_bytes = options.max_tensor_bytes, .intra_op_threads = options.intra_op_threads}};
  const std::vector<std::shared_ptr<Model>> engines(static_cast<std::size_t>(options.model_threads), engine);
  return std::make_shared<ServedModel>(engine->info(), engines, served, pool);
}

class TorchPipeline final : public Pipeline {
 public:
  TorchPipeline(const RepositoryOptions& options, BufferPool& pool)
      : max_tensor_bytes_(options.loader.max_tensor_bytes),
        pool_(pool),
        operator_threads_(options.loader.intra_op_threads),
        callers_control_(options.control == ModelControl::kExplicit),
        repository_(options, registry_, pool) {
    registry_.AddBuiltIn(MakeIdentity(options.loader, pool));
  }

  absl::StatusOr<PipelineResponse> Convert(Few<NamedArray> arrays, bool return_data, const MemoryPeer* peer) override {
    const ResultLimits limits{max_tensor_bytes_, {pool_, peer}};
    return CatchTorch(Reason::kInternal, [&] { return ConvertArrays(std::move(arrays), return_data, limits); });
  }

  void LoadModels(std::function<void(const absl::Status&)> done) override { repository_.LoadAtStart(std::move(done)); }

  void LookAtRepository() override {
    repository_.Poll([](const absl::Status&) {}, /*settled_only=*/false);  // The repository logs the errors.
  }

  void ObserveModels(std::function<void(const std::string& name, bool ready)> observer) override {
    registry_.Observe(std::move(observer));
  }

  absl::StatusOr<std::shared_ptr<ModelVersion>> FindModel(std::string_view name,
                                                          std::string_view version) const override {
    return registry_.Find(name, version);
  }

  std::vector<ModelInfo> Models() const override { return registry_.List(); }

  void ListRepository(std::function<void(absl::StatusOr<std::vector<RepositoryEntry>>)> done) override {
    repository_.List(std::move(done));
  }

  bool callers_control() const override { return callers_control_; }

  void LoadModel(std::string name, ModelOverrides overrides, ControlCall call) override {
    repository_.Load(std::move(name), std::move(overrides), std::move(call));
  }

  void UnloadModel(std::string name, ControlCall call) override {
    repository_.Unload(std::move(name), std::move(call));
  }

 private:
  absl::StatusOr<PipelineResponse> ConvertArrays(Few<NamedArray> arrays, bool return_data,
                                                 const ResultLimits& limits) const {
    const c10::InferenceMode guard;
    if (return_data) UseOperatorThreads(operator_threads_);  // Elements that are not in C order are copied.
    const Clock::time_point start = Clock::now();
    const Elements elements = return_data ? Elements::kShared : Elements::kNone;
    absl::StatusOr<PipelineResponse> response{PipelineResponse()};  // Filled where it stays: it is large to move.
    response->tensors.reserve(arrays.size());
    for (NamedArray& array : arrays) {
      Receipt receipt = MakeReceipt(array.payload.header, array.payload.copied);
      const NamedTensor named{std::move(array.name), MakeTensor(std::move(array.payload))};
      TENSORFERRY_RETURN_IF_ERROR(AddResultWithReceipt(named, std::move(receipt), elements, limits, response->tensors));
    }
    response->convert_time = Clock::now() - start;
    return response;
  }

  const std::uint64_t max_tensor_bytes_;
  BufferPool& pool_;
  const int operator_threads_;
  const bool callers_control_;
  ModelRegistry registry_;
  ModelRepository repository_;  // The last member: its threads use the registry.
};

}  // namespace

void PrepareTorch() {
  SendWarningsToLog();
  SendPrintsToLog();
  at::set_num_interop_threads(1);
  CheckPackageInputs();
}

std::string TorchVersion() { return TORCH_VERSION; }

absl::StatusOr<std::unique_ptr<Pipeline>> MakeTorchPipeline(const RepositoryOptions& options, BufferPool& pool) {
  TENSORFERRY_RETURN_IF_ERROR(CheckDevice(options.loader.device));
  return std::make_unique<TorchPipeline>(options, pool);
}

}  // namespace tensorferry::inference
