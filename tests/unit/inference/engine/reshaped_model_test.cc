// These configurations show callers other shapes than the model has. The oracle is at::Tensor::reshape.
#include "inference/engine/reshaped_model.h"

#include <ATen/Functions.h>
#include <gmock/gmock.h>

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "base/status.h"
#include "payload/shape.h"
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

TEST_F(ReshapedModelTest, KeepsSeveralDimensionsOfAnySize) {
  const auto model =
      WithReshapes(MakeModel(), {.max_batch_size = 8,
                                 .inputs = {{.name = "x", .dims = {-1, 4, -1}, .reshape = Dims{-1, 2, 2, -1}}},
                                 .outputs = {{.name = "y", .dims = {-1, 4, -1}, .reshape = Dims{-1, 2, 2, -1}}}});
  const at::Tensor x = at::arange(2 * 3 * 4 * 5).reshape({2, 3, 4, 5});
  const auto y = Run(*model, x);
  ASSERT_THAT(y, IsOk());
  EXPECT_THAT(seen_, ElementsAre(2, 3, 2, 2, 5));
  EXPECT_TRUE(y->equal(x));
}

struct CheckCase {
  std::string name;
  Dims dims, reshape;
  bool as_input, as_output;  // Whether some array fits.
  friend void PrintTo(const CheckCase& c, std::ostream* out) { *out << c.name; }
};
class Reshapes : public testing::TestWithParam<CheckCase> {};

TEST_P(Reshapes, HaveAsManyElementsAsDims) {
  const auto& [name, dims, reshape, as_input, as_output] = GetParam();
  const std::string why =
      ": dims " + ToText(dims) + " and reshape " + ToText(reshape) + " do not have the same number of elements";
  const auto expect = [&](const ModelConfig& config, bool fits, const std::string& kind) {
    if (fits) {
      EXPECT_THAT(CheckReshapes(config), IsOk());
    } else {
      EXPECT_THAT(CheckReshapes(config), Fails(Reason::kModelNotReady, "config.pbtxt: " + kind + " 'x'" + why));
    }
  };
  const ConfiguredTensor tensor{.name = "x", .dims = dims, .reshape = reshape};
  expect({.inputs = {tensor}}, as_input, "input");
  expect({.outputs = {tensor}}, as_output, "output");
}

INSTANTIATE_TEST_SUITE_P(Shapes, Reshapes,
                         testing::ValuesIn(std::vector<CheckCase>{
                             {"Same", {6}, {2, 3}, true, true},
                             {"Scalar", {1}, {}, true, true},
                             {"NoScalar", {2}, {}, false, false},
                             {"More", {6}, {2, 4}, false, false},
                             {"NoElements", {0, 3}, {0}, true, true},
                             {"SomeElements", {0, 3}, {3}, false, false},
                             {"AnySizeOfSome", {6}, {-1, 2}, true, true},
                             {"AnySizeOfTooMany", {6}, {-1, 4}, false, false},
                             {"AnySize", {-1}, {-1, 2}, true, true},
                             {"AnySizeOfOther", {-1, 3}, {2, -1}, true, true},
                             {"SeveralOfAnySize", {-1, 4, -1}, {-1, 2, 2, -1}, true, true},
                             {"SeveralInOtherPlaces", {-1, 4, -1}, {4, -1, -1}, false, false},
                             {"SeveralOfOne", {-1}, {-1, -1}, false, true},
                             {"TooLarge", {1L << 40, 1L << 40}, {1L << 40, 1L << 40}, false, false},
                         }),
                         [](const auto& test) { return test.param.name; });

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
