#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "inference/model_catalog.h"
#include "inference/model_version.h"

namespace tensorferry {

// FakeModelVersion is a model whose runs end when the test says.
class FakeModelVersion : public inference::ModelVersion {
 public:
  // Run is a run that was submitted.
  class Run {
   public:
    explicit Run(inference::ModelRun& run) : run_(&run) {}

    absl::Status CheckCaller() const { return run_->CheckCaller(); }
    bool may_run_here() const { return run_->may_run_here; }
    void Complete(const std::string& model_version) {
      run_->result = inference::PipelineResponse{.model_name = "model", .model_version = model_version};
      run_->Complete();
    }
    void Fail(const absl::Status& error) {
      run_->result = error;
      run_->Complete();
    }

   private:
    inference::ModelRun* run_;
  };

  bool has_batches = false;

  const inference::ModelInfo& info() const override { return info_; }
  const inference::ModelConfig& config() const override { return config_; }
  inference::ModelStatistics statistics() const override { return {}; }
  bool batches() const override { return has_batches; }
  bool passes_on() const override { return false; }
  absl::Status Check(std::span<const inference::InputDeclaration>, std::span<const std::string>) const override {
    return absl::OkStatus();
  }
  Submitted Submit(inference::ModelRun& run) override {
    const std::lock_guard lock(mutex_);
    submitted_ = &run;
    changed_.notify_all();
    return Submitted::kTaken;
  }
  bool RunQueued() override { return false; }

  // AwaitRun waits until a run is submitted.
  Run AwaitRun() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return submitted_ != nullptr; });
    return Run(*std::exchange(submitted_, nullptr));
  }

 private:
  const inference::ModelInfo info_{.name = "model", .version = "1", .state = inference::ModelState::kReady};
  const inference::ModelConfig config_;
  std::mutex mutex_;
  std::condition_variable changed_;
  inference::ModelRun* submitted_ = nullptr;
};

// OneModel is a catalog that finds `model`, whatever name is asked for.
class OneModel final : public inference::ModelCatalog {
 public:
  const std::shared_ptr<FakeModelVersion> model = std::make_shared<FakeModelVersion>();

  absl::StatusOr<std::shared_ptr<inference::ModelVersion>> FindModel(std::string_view,
                                                                     std::string_view) const override {
    return model;
  }
  std::vector<inference::ModelInfo> Models() const override { return {model->info()}; }
  void ObserveModels(std::function<void(const std::string&, bool)>) override {}
};

}  // namespace tensorferry
