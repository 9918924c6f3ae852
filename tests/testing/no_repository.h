#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "inference/repository_control.h"

namespace tensorferry {

class NoRepository final : public inference::RepositoryControl {
 public:
  void LoadModels(std::function<void(const absl::Status&)> done) override { done(absl::OkStatus()); }
  void LookAtRepository() override {}
  void ListRepository(std::function<void(absl::StatusOr<std::vector<inference::RepositoryEntry>>)> done) override {
    done(std::vector<inference::RepositoryEntry>());
  }
  bool callers_control() const override { return false; }
  void LoadModel(std::string, inference::ModelOverrides, inference::ControlCall call) override {
    call.done(MakeError(Reason::kModelNotFound, "there is no repository"));
  }
  void UnloadModel(std::string, inference::ControlCall call) override {
    call.done(MakeError(Reason::kModelNotFound, "there is no repository"));
  }
};

}  // namespace tensorferry
