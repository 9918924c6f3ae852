// These tests say which outputs a result must copy: those whose memory somebody beside the run may write to.
#include "inference/tensor/retained_memory.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/from_file.h>
#include <ATen/ops/ones.h>
#include <c10/core/InferenceMode.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "inference/tensor/tensor.h"
#include "testing/payloads.h"
#include "testing/test_memory.h"

namespace tensorferry::inference {
namespace {

using Outputs = std::vector<at::Tensor>;

// Held returns for each output whether others may write to its memory. It takes the outputs as a run gives them, so
// that no other handle to them is left.
std::vector<bool> Held(Outputs tensors) {
  std::vector<NamedTensor> outputs;
  for (at::Tensor& tensor : tensors) outputs.push_back({"y", std::move(tensor)});
  const RetainedMemory retained(outputs);
  std::vector<bool> held;
  for (const NamedTensor& output : outputs) held.push_back(retained.Holds(output.tensor));
  return held;
}

// Of moves the tensors; an initializer list would copy them.
template <typename... Tensor>
Outputs Of(Tensor... tensor) {
  Outputs outputs;
  (outputs.push_back(std::move(tensor)), ...);
  return outputs;
}

using testing::Each;
using testing::ElementsAre;

class RetainedMemoryTest : public testing::Test {
 private:
  const c10::InferenceMode inference_mode_;  // A run has it, too.
};

TEST_F(RetainedMemoryTest, LeavesWhatBelongsToTheRunAlone) {
  EXPECT_THAT(Held({}), ElementsAre());
  EXPECT_THAT(Held(Of(at::ones({4}))), ElementsAre(false));
  EXPECT_THAT(Held(Of(at::ones({4}), at::ones({4}).add(1), at::Tensor())), Each(false));
  EXPECT_THAT(Held(Of(at::ones({0}), at::ones({2, 2}).to_sparse())), Each(false));
}

TEST_F(RetainedMemoryTest, LeavesOutputsThatShareMemoryWithEachOtherAlone) {
  at::Tensor y = at::ones({4});
  at::Tensor half = y.slice(0, 0, 2);
  at::Tensor again = y;
  EXPECT_THAT(Held(Of(std::move(half), std::move(y), at::ones({1}), std::move(again))), Each(false));
}

// When the run is over, nothing but the views holds the memory that it made.
TEST_F(RetainedMemoryTest, LeavesViewsOfWhatTheRunMadeAlone) {
  Outputs outputs;
  const auto add = [&](const at::Tensor& made) {
    for (const at::Tensor& view :
         {made.t(), made.slice(0, 1, 2), made.select(0, 0), made.unsqueeze(0).expand({3, 4, 4})}) {
      outputs.push_back(view);
    }
  };
  add(at::ones({4, 4}));
  add(at::ones({4, 4}).add(1));
  EXPECT_THAT(Held(std::exchange(outputs, {})), Each(false));
  TestMemory memory;
  add(MakeTensor(GoodArray("x", "<f4", {4, 4}, memory.pool).payload));
  outputs.push_back(MakeTensor(GoodArray("x", "<f4", {4, 4}, memory.pool).payload));
  EXPECT_THAT(Held(std::exchange(outputs, {})), Each(false));
}

TEST_F(RetainedMemoryTest, LeavesViewsOfCallersSharedMemoryAlone) {
  const ArrayHeader header = GoodHeader("<f4", {2});
  const auto mapped = std::make_shared<std::array<std::byte, 8>>();
  ArrayPayload payload{.header = header, .shared = {mapped, mapped->data()}};
  EXPECT_THAT(Held(Of(MakeTensor(std::move(payload)))), ElementsAre(false));
}

// kWays has the ways in which an output may show memory that a model keeps.
const std::vector<std::pair<std::string, std::function<at::Tensor(const at::Tensor&)>>> kWays = {
    {"itself", [](const at::Tensor& kept) { return kept; }},
    {"a part", [](const at::Tensor& kept) { return kept.slice(0, 1, 2); }},
    {"one element", [](const at::Tensor& kept) { return kept.select(0, 1).select(0, 1); }},
    {"transposed", [](const at::Tensor& kept) { return kept.t(); }},
    {"expanded",
     [](const at::Tensor& kept) {
       return kept.unsqueeze(0).expand({3, 4, 4});
     }},
    {"overlapping",
     [](const at::Tensor& kept) {
       return kept.as_strided({3, 3}, {1, 1});
     }},
    {"other bits", [](const at::Tensor& kept) { return kept.view(at::kInt); }},
    {"detached", [](const at::Tensor& kept) { return kept.detach(); }},
    {"an alias", [](const at::Tensor& kept) { return kept.alias(); }},
};

TEST_F(RetainedMemoryTest, HoldsWhatTheModelKeepsHoweverMuchOfItIsShown) {
  for (const auto& [name, show] : kWays) {
    const at::Tensor kept = at::ones({4, 4});
    EXPECT_THAT(Held(Of(show(kept))), ElementsAre(true)) << name;
    EXPECT_THAT(Held(Of(at::ones({2}), show(kept), at::ones({2}), show(kept))), ElementsAre(false, true, false, true))
        << name;
  }
}

TEST_F(RetainedMemoryTest, HoldsWhatTheModelKeepsByAViewAlone) {
  at::Tensor y = at::ones({4, 4});
  const at::Tensor kept = y.slice(0, 1, 2);
  EXPECT_THAT(Held(Of(std::move(y))), ElementsAre(true));
}

TEST_F(RetainedMemoryTest, HoldsAllOutputsInTheSameMemory) {
  const at::Tensor kept = at::ones({4, 4});
  EXPECT_THAT(Held(Of(kept, kept.t(), kept.slice(0, 1, 2))), Each(true));
}

TEST_F(RetainedMemoryTest, HoldsAnInputThatTheModelKeeps) {
  TestMemory memory;
  const at::Tensor kept = MakeTensor(GoodArray("x", "<f4", {4, 4}, memory.pool).payload);
  EXPECT_THAT(Held(Of(kept.t())), ElementsAre(true));
}

TEST_F(RetainedMemoryTest, HoldsMemoryThatNobodyCountsReferencesTo) {
  static std::array<float, 4> library{};
  EXPECT_THAT(Held(Of(at::from_blob(library.data(), {4}))), ElementsAre(true));
  EXPECT_THAT(Held(Of(at::from_blob(library.data(), {4}, [](void*) {}))), ElementsAre(true));
}

TEST_F(RetainedMemoryTest, HoldsMemoryOfAFile) {
  std::string file = testing::TempDir() + "retained_XXXXXX";
  const int descriptor = mkstemp(file.data());
  ASSERT_GE(descriptor, 0);
  at::Tensor mapped = at::from_file(file, /*shared=*/true, /*size=*/4, at::TensorOptions().dtype(at::kFloat));
  EXPECT_THAT(Held(Of(std::move(mapped))), ElementsAre(true));
  close(descriptor);
  std::remove(file.c_str());
}

// A batch is cut into the rows of its requests after the run.
TEST_F(RetainedMemoryTest, HoldsViewsOfAnOutput) {
  const at::Tensor kept = at::ones({4});
  const std::vector<NamedTensor> outputs{{"y", kept.expand({2, 4})}, {"z", at::ones({2, 4})}};
  const RetainedMemory retained(outputs);
  EXPECT_TRUE(retained.Holds(outputs[0].tensor.narrow(0, 1, 1)));
  EXPECT_FALSE(retained.Holds(outputs[1].tensor.narrow(0, 1, 1)));
}

}  // namespace
}  // namespace tensorferry::inference
