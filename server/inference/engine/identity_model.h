#pragma once

#include <string>
#include <utility>

#include "inference/tensor/model.h"

namespace tensorferry::inference {

// IdentityModel is part of the server. It takes any inputs, and gives them back under the same names.
class IdentityModel final : public Model {
 public:
  const ModelInfo& info() const override { return info_; }
  bool is_trivial() const override { return true; }
  absl::StatusOr<std::vector<NamedTensor>> Run(std::vector<NamedTensor> inputs) override { return inputs; }

 private:
  const ModelInfo info_{
      .name = "identity", .version = "1", .state = ModelState::kReady, .platform = std::string(kBuiltIn)};
};

}  // namespace tensorferry::inference
