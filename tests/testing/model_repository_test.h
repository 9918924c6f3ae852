// ModelRepositoryTest is a repository that its tests start, change and ask.
#pragma once

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <future>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "inference/repository/model_repository.h"
#include "testing/status_matchers.h"
#include "testing/temporary_repository.h"
#include "testing/test_memory.h"
#include "testing/test_run.h"

namespace tensorferry::inference {

inline constexpr std::array kStates{"LOADING", "READY", "UNAVAILABLE", "UNLOADING"};

class ModelRepositoryTest : public testing::Test {
 protected:
  absl::Status Start(RepositoryOptions options = {}) {
    options.folder = files_.root;
    options.loader.max_tensor_bytes = 1 << 20;
    repository_.emplace(std::move(options), registry_, memory_.pool);
    return Await([&](ModelRepository::Done done) { repository_->LoadAtStart(std::move(done)); });
  }

  // Poll looks twice: a change is taken when it has not changed again.
  absl::Status Poll() {
    Await([&](ModelRepository::Done done) { repository_->Poll(std::move(done)); }).IgnoreError();
    return Await([&](ModelRepository::Done done) { repository_->Poll(std::move(done)); });
  }

  absl::Status Load(const std::string& name, const std::string& overrides = "") {
    return Await([&](ModelRepository::Done done) {
      repository_->Load(name, {.config = overrides, .files = {}}, {.done = std::move(done)});
    });
  }

  absl::Status Unload(const std::string& name) {
    return Await([&](ModelRepository::Done done) { repository_->Unload(name, {.done = std::move(done)}); });
  }

  // Index writes "m:1 READY", or "m" for what was never loaded.
  absl::StatusOr<std::vector<std::string>> Index() {
    std::promise<absl::StatusOr<std::vector<RepositoryEntry>>> done;
    repository_->List(
        [&](absl::StatusOr<std::vector<RepositoryEntry>> entries) { done.set_value(std::move(entries)); });
    TENSORFERRY_ASSIGN_OR_RETURN(const std::vector<RepositoryEntry> entries, done.get_future().get());
    std::vector<std::string> lines;
    for (const RepositoryEntry& entry : entries) {
      lines.push_back(entry.name + (entry.version.empty() ? "" : ":" + entry.version));
      if (entry.state) lines.back() += std::string(" ") + kStates[static_cast<std::size_t>(*entry.state)];
      if (!entry.reason.empty()) lines.back() += " " + entry.reason;
    }
    return lines;
  }

  static absl::Status Await(const std::function<void(ModelRepository::Done)>& start) {
    std::promise<absl::Status> done;
    start([&](const absl::Status& status) { done.set_value(status); });
    return done.get_future().get();
  }

  // Settle waits until everything that was let go of is gone.
  void Settle() {
    for (;;) {
      Await([&](ModelRepository::Done done) {
        repository_->Load("nothing", {}, {.done = std::move(done)});
      }).IgnoreError();
      const auto models = registry_.List();
      const auto unloading = [](const ModelInfo& model) { return model.state == ModelState::kUnloading; };
      if (std::ranges::none_of(models, unloading)) return;
    }
  }

  // Listed writes "m:1 READY".
  std::vector<std::string> Listed() {
    std::vector<std::string> lines;
    for (const ModelInfo& model : registry_.List()) {
      lines.push_back(model.name + ":" + model.version + " " + kStates[static_cast<std::size_t>(model.state)]);
    }
    return lines;
  }

  // Ask returns what the model makes of a 1.
  float Ask(const std::string& name, const std::string& version = "") {
    const auto model = registry_.Find(name, version);
    EXPECT_THAT(model, IsOk());
    return model.ok() ? Ask(**model) : 0;
  }

  float Ask(ServedModel& model) {
    const float one = 1;
    Few<NamedArray> arrays;
    arrays.push_back({"x", GoodPayload(GoodHeader("<f4", {1}), std::as_bytes(std::span(&one, 1)), memory_.pool)});
    const auto response = RunOn(model, std::move(arrays));
    EXPECT_THAT(response, IsOk());
    float value = 0;
    std::memcpy(&value, response->outputs[0].elements->bytes.data(), sizeof(value));
    return value;
  }

  TemporaryRepository files_;
  TestMemory memory_;
  ModelRegistry registry_;
  std::optional<ModelRepository> repository_;
};

}  // namespace tensorferry::inference
