#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "inference/model_catalog.h"

namespace tensorferry {

class NoModels final : public inference::ModelCatalog {
 public:
  absl::StatusOr<std::shared_ptr<inference::ModelVersion>> FindModel(std::string_view,
                                                                     std::string_view) const override {
    return MakeError(Reason::kModelNotFound, "there is no such model");
  }
  std::vector<inference::ModelInfo> Models() const override { return {}; }
  void ObserveModels(std::function<void(const std::string&, bool)>) override {}
};

}  // namespace tensorferry
