#include "cli/expected_outputs.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tensorferry::cli {
namespace {

using client::ModelInfo;
using client::ModelState;
using client::TensorSpec;

const std::vector<float> kValues(12);

ModelInfo Model(std::vector<TensorSpec> inputs, std::vector<TensorSpec> outputs,
                ModelState state = ModelState::kReady) {
  ModelInfo model;
  model.state = state;
  model.inputs = std::move(inputs);
  model.outputs = std::move(outputs);
  return model;
}

std::uint64_t Expected(const std::vector<ModelInfo>& versions) {
  const std::vector arrays{client::Array::Of("x", {3, 4}, std::span(kValues))};
  return ExpectedOutputBytes(versions, arrays);
}

TEST(ExpectedOutputs, AreThoseThatTheModelSays) {
  EXPECT_EQ(Expected({Model({{"x", "float32", {3, 4}}}, {{"y", "float64", {2, 8}}})}), 128U);
  EXPECT_EQ(Expected({Model({{"x", "float32", {3, 4}}}, {{"y", "int8", {5}}, {"z", "bfloat16", {33}}})}), 64U + 128U)
      << "each begins at a multiple of 64";
  EXPECT_EQ(Expected({Model({}, {})}), 0U);
}

TEST(ExpectedOutputs, HaveAsManyRowsAsTheInput) {
  EXPECT_EQ(Expected({Model({{"x", "float32", {-1, 4}}}, {{"y", "float32", {-1, 64}}})}), 3U * 256U);
  const std::string npy("\x93NUMPY\1\0\x44\0{'descr': '<f4', 'fortran_order': False, 'shape': (5, 4), }        \n", 78);
  const std::vector arrays{client::Array{.name = "x",
                                         .dtype = "",
                                         .shape = {},
                                         .bytes = std::as_bytes(std::span(npy)),
                                         .form = client::Array::Form::kNpy}};
  const std::vector versions{Model({{"x", "float32", {-1, 4}}}, {{"y", "float32", {-1, 64}}})};
  EXPECT_EQ(ExpectedOutputBytes(versions, arrays), 5U * 256U);
  EXPECT_EQ(ExpectedOutputBytes(versions, {}), 0U);
}

TEST(ExpectedOutputs, OfUnknownSizesAreNotGuessed) {
  EXPECT_EQ(Expected({Model({{"x", "float32", {-1, 4}}}, {{"y", "float32", {-1, -1}}})}), 0U);
  EXPECT_EQ(Expected({Model({{"x", "float32", {3, -1}}}, {{"y", "float32", {-1, 4}}})}), 0U) << "no batch";
  EXPECT_EQ(Expected({Model({{"x", "float32", {-1, 4}}}, {{"y", "", {}}})}), 0U);
  EXPECT_EQ(Expected({Model({}, {{"y", "float32", {1LL << 40, 1LL << 40}}})}), 0U);
  const TensorSpec large{"y", "float32", {1LL << 58}};
  EXPECT_EQ(Expected({Model({}, std::vector<TensorSpec>(20, large))}), 0U) << "their sum overflows";
}

TEST(ExpectedOutputs, AreThoseOfTheLastVersionThatIsReady) {
  const std::vector<TensorSpec> one{{"y", "int8", {64}}};
  const std::vector<TensorSpec> two{{"y", "int8", {128}}};
  EXPECT_EQ(Expected({Model({}, one), Model({}, two)}), 128U);
  EXPECT_EQ(Expected({Model({}, one), Model({}, two, ModelState::kUnavailable)}), 64U);
  EXPECT_EQ(Expected({Model({}, one, ModelState::kLoading)}), 0U);
  EXPECT_EQ(Expected({}), 0U);
}

}  // namespace
}  // namespace tensorferry::cli
