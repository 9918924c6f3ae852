#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "inference/tensor/model.h"

namespace tensorferry {

// FakeModel does what its test says. Unless told otherwise, it gives its inputs back.
class FakeModel final : public inference::Model {
 public:
  using Inputs = std::vector<inference::NamedTensor>;
  using Run_ = std::function<absl::StatusOr<Inputs>(Inputs)>;

  explicit FakeModel(Run_ run = [](Inputs inputs) { return inputs; }) : run_(std::move(run)) {}

  const inference::ModelInfo& info() const override { return info_; }
  absl::StatusOr<Inputs> Run(Inputs inputs) override { return run_(std::move(inputs)); }

 private:
  const inference::ModelInfo info_{.name = "fake", .version = "1", .state = inference::ModelState::kReady};
  const Run_ run_;
};

}  // namespace tensorferry
