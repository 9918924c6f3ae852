// These configurations show callers other shapes than the model has. The oracle is at::Tensor::reshape.
#include "inference/engine/reshaped_model.h"

#include <ATen/Functions.h>
#include <gmock/gmock.h>

#include <memory>
#include <vector>

#include "base/status.h"
#include "testing/status_matchers.h"

namespace tensorferry::inference {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using Dims = std::vector<std::int64_t>;

// NotingModel notes the shape of what it gets as x, and gives it back as y.
class NotingModel final : public Model {
 public:
  explicit NotingModel(Dims& seen) : seen_(seen) {}

  const ModelInfo& info() const override { return info_; }
  absl::StatusOr<std::vector<NamedTensor>> Run(std::vector<NamedTensor> inputs) override {
    seen_ = inputs.front().tensor.sizes().vec();
    if (fails) return MakeError(Reason::kModelFailed, "no");
    inputs.front().name = "y";
    return inputs;
  }

  bool fails = false;

 private:
  const ModelInfo info_{.name = "noting", .inputs = {{.name = "x"}}, .outputs = {{.name = "y"}}};
  Dims& seen_;
};

class ReshapedModelTest : public testing::Test {
 protected:
  std::shared_ptr<NotingModel> MakeModel() { return std::make_shared<NotingModel>(seen_); }

  static absl::StatusOr<at::Tensor> Run(Model& model, const at::Tensor& x) {
    auto outputs = model.Run({{"x", x}});
    if (!outputs.ok()) return outputs.status();
    return outputs->front().tensor;
  }

  Dims seen_;
};

TEST_F(ReshapedModelTest, IsTheModelItselfWithoutReshapes) {
  const auto model = MakeModel();
  EXPECT_EQ(WithReshapes(model, {.inputs = {{.name = "x", .dims = {6}}}}), model);
}

TEST_F(ReshapedModelTest, GivesTheModelItsShapeAndCallersTheirs) {
  const auto model = WithReshapes(MakeModel(), {.inputs = {{.name = "x", .dims = {6}, .reshape = Dims{2, 3}}},
                                                .outputs = {{.name = "y", .dims = {3, 2}, .reshape = Dims{2, 3}}}});
  const at::Tensor x = at::arange(6);
  const auto y = Run(*model, x);
  ASSERT_THAT(y, IsOk());
  EXPECT_THAT(seen_, ElementsAre(2, 3));
  EXPECT_TRUE(y->equal(x.reshape({3, 2})));
  EXPECT_THAT(model->info().inputs[0].shape, ElementsAre(6)) << "what callers are told";
  EXPECT_THAT(model->info().outputs[0].shape, ElementsAre(3, 2));
}

TEST_F(ReshapedModelTest, LeavesTheBatchAlone) {
  const auto model = WithReshapes(MakeModel(), {.max_batch_size = 8,
                                                .inputs = {{.name = "x", .dims = {1}, .reshape = Dims{}}},
                                                .outputs = {{.name = "y", .dims = {1}, .reshape = Dims{}}}});
  const at::Tensor x = at::arange(4).reshape({4, 1});
  const auto y = Run(*model, x);
  ASSERT_THAT(y, IsOk());
  EXPECT_THAT(seen_, ElementsAre(4)) << "a scalar for each row";
  EXPECT_TRUE(y->equal(x));
}

TEST_F(ReshapedModelTest, ReshapesAnySize) {
  const auto model = WithReshapes(MakeModel(), {.inputs = {{.name = "x", .dims = {-1}, .reshape = Dims{-1, 2}}},
                                                .outputs = {{.name = "y", .dims = {-1}, .reshape = Dims{-1, 2}}}});
  const auto y = Run(*model, at::arange(8));
  ASSERT_THAT(y, IsOk());
  EXPECT_THAT(seen_, ElementsAre(4, 2));
  EXPECT_THAT(y->sizes().vec(), ElementsAre(8));
}

TEST_F(ReshapedModelTest, SaysWhoseFaultAShapeIs) {
  const auto inputs = WithReshapes(MakeModel(), {.inputs = {{.name = "x", .dims = {6}, .reshape = Dims{2, 3}}}});
  EXPECT_THAT(Run(*inputs, at::arange(5)), Fails(Reason::kInputMismatch, HasSubstr("invalid for input of size 5")));
  const auto outputs = WithReshapes(MakeModel(), {.outputs = {{.name = "y", .dims = {6}, .reshape = Dims{2, 3}}}});
  EXPECT_THAT(Run(*outputs, at::arange(5)), Fails(Reason::kModelFailed, HasSubstr("invalid for input of size 5")));
}

TEST_F(ReshapedModelTest, PassesOnWhatTheModelRefuses) {
  const auto failing = MakeModel();
  failing->fails = true;
  const auto model = WithReshapes(failing, {.inputs = {{.name = "x", .dims = {6}, .reshape = Dims{2, 3}}}});
  EXPECT_THAT(Run(*model, at::arange(6)), Fails(Reason::kModelFailed, "no"));
}

TEST(AsTheModelSeesIt, HasTheShapesOfTheModelItself) {
  const ModelConfig config =
      AsTheModelSeesIt({.inputs = {{.name = "x", .dims = {6}, .reshape = Dims{2, 3}}, {.name = "plain", .dims = {4}}},
                        .outputs = {{.name = "y", .dims = {1}, .reshape = Dims{}}}});
  EXPECT_THAT(config.inputs[0].dims, ElementsAre(2, 3));
  EXPECT_THAT(config.inputs[1].dims, ElementsAre(4));
  EXPECT_THAT(config.outputs[0].dims, testing::IsEmpty());
}

}  // namespace
}  // namespace tensorferry::inference
