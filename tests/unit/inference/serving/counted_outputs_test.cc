#include "inference/serving/counted_outputs.h"

#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include <deque>

#include "base/status.h"
#include "inference/tensor/conversion.h"
#include "testing/status_matchers.h"
#include "testing/test_memory.h"
#include "testing/test_run.h"

namespace tensorferry::inference {
namespace {

constexpr std::uint64_t kRowBytes = 4 << 10;

// CountedOutputsTest is a run of a model for several requests: each of its outputs has rows of kRowBytes bytes.
class CountedOutputsTest : public testing::Test {
 protected:
  // Request makes a request of an array of so many rows.
  void Request(std::int64_t rows) {
    Few<NamedArray> arrays;
    arrays.push_back(GoodArray("x", "|u1", {rows, 1}, memory_.pool));
    requests_.emplace_back(std::move(arrays));
    runs_.push_back(&requests_.back());
    requests_.back().result = PipelineResponse();
    rows_ += rows;
  }

  // Give gives each request its rows of an output.
  void Give(const at::Tensor& output) {
    std::int64_t first = 0;
    for (ModelRun* const run : runs_) {
      const std::int64_t rows = RowsOf(*run, /*batches=*/true);
      std::vector<TensorResult>& results = run->result->outputs;
      const NamedTensor its_rows{"y", output.narrow(0, first, rows)};
      ASSERT_THAT(AddResult(its_rows, Elements::kShared, {1 << 30, memory_.pool}, results), IsOk());
      counted_.Note({"y", output}, results.back());
      first += rows;
    }
  }

  at::Tensor Output() const { return at::zeros({rows_, static_cast<std::int64_t>(kRowBytes)}, at::kByte); }
  std::uint64_t held() const { return memory_.budget.used() - static_cast<std::uint64_t>(rows_); }  // Beside inputs.
  void Count() { counted_.CountFor(runs_, /*batches=*/true, memory_.pool); }

  TestMemory memory_{64 << 10};
  std::deque<TestRun> requests_;
  Few<ModelRun*> runs_;
  std::int64_t rows_ = 0;
  CountedOutputs counted_;
};

TEST_F(CountedOutputsTest, HoldsAllRowsUntilTheLastIsLetGo) {
  Request(1);
  Request(3);
  Give(Output());
  EXPECT_FALSE(counted_.few());
  Count();
  EXPECT_EQ(held(), 4 * kRowBytes);
  requests_[1].result->outputs.clear();
  EXPECT_EQ(held(), 4 * kRowBytes) << "the first row lies in the memory of all";
  requests_[0].result->outputs.clear();
  EXPECT_EQ(held(), 0u);
}

TEST_F(CountedOutputsTest, CountsMemoryOnceThatOutputsShare) {
  Request(2);
  const at::Tensor output = Output();
  Give(output);
  Give(output);
  Count();
  EXPECT_EQ(held(), 2 * kRowBytes);
}

TEST_F(CountedOutputsTest, CountsAllOfTheMemoryInWhichAViewLies) {
  Request(2);
  Give(at::zeros({8, static_cast<std::int64_t>(kRowBytes)}, at::kByte).narrow(0, 0, 2));
  Count();
  EXPECT_EQ(held(), 8 * kRowBytes);
}

TEST_F(CountedOutputsTest, CountsNeitherCopiesNorLittle) {
  Request(1);
  Give(Output());
  EXPECT_TRUE(counted_.few());
  CountedOutputs other;
  TensorResult copy;
  copy.elements = TensorElements{std::as_bytes(std::span("elements elsewhere")), nullptr};
  other.Note({"y", at::zeros({1 << 20}, at::kByte)}, copy);
  EXPECT_TRUE(other.few());
}

TEST_F(CountedOutputsTest, RefusesThoseForWhomThereIsNoRoom) {
  Request(12);
  Request(5);
  Give(Output());
  Count();
  EXPECT_THAT(requests_[0].result, IsOk());
  EXPECT_EQ(ReasonOf(requests_[1].result.status()), Reason::kMemoryBudget);
  EXPECT_EQ(held(), 12 * kRowBytes);
}

}  // namespace
}  // namespace tensorferry::inference
