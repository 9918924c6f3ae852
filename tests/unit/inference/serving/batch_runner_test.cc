#include "inference/serving/batch_runner.h"

#include <ATen/Parallel.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <cmath>
#include <cstring>
#include <deque>
#include <functional>
#include <string>
#include <thread>

#include "base/status.h"
#include "testing/fake_model.h"
#include "testing/named_peer.h"
#include "testing/status_matchers.h"
#include "testing/test_memory.h"
#include "testing/test_run.h"

namespace tensorferry::inference {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

class BatchRunnerTest : public testing::Test {
 protected:
  // Request makes a request of one float32 array `x` of `rows` rows of two numbers, which are all `value`.
  TestRun& Request(float value, std::int64_t rows = 1, RunOptions options = {}) {
    const ArrayHeader header = GoodHeader("<f4", {rows, 2});
    const std::vector<float> values(static_cast<std::size_t>(rows) * 2, value);
    Few<NamedArray> arrays;
    arrays.push_back({"x", GoodPayload(header, std::as_bytes(std::span(values)), memory_.pool)});
    return runs_.emplace_back(std::move(arrays), std::move(options));
  }

  // Run runs the model on all requests made since its last call.
  Few<Execution> Run(FakeModel::Run_ run, RunnerOptions options = {.batches = true}) {
    options.max_tensor_bytes = 1 << 10;
    FakeModel model(std::move(run));
    Few<ModelRun*> runs;
    for (; next_ < runs_.size(); ++next_) runs.push_back(&runs_[next_]);
    return BatchRunner(options, memory_.pool).Run(model, std::move(runs));
  }

  static std::vector<float> Floats(const TestRun& run, std::size_t output = 0) {
    const std::span<const std::byte> bytes = run.result->outputs[output].elements->bytes;
    std::vector<float> floats(bytes.size() / sizeof(float));
    std::memcpy(floats.data(), bytes.data(), bytes.size());
    return floats;
  }

  TestMemory memory_;
  std::deque<TestRun> runs_;
  std::size_t next_ = 0;
};

FakeModel::Inputs Double(FakeModel::Inputs inputs) { return {{"y", inputs[0].tensor.mul(2)}}; }

TEST_F(BatchRunnerTest, GivesEachRequestItsRows) {
  Request(1);
  Request(2, 3);
  Request(3, 2);
  const Few<Execution> executions = Run(Double);
  ASSERT_EQ(executions.size(), 1u);
  EXPECT_EQ(executions[0].rows, 6);
  EXPECT_EQ(executions[0].nbytes, 48u);
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_THAT(runs_[i].result, IsOk());
    EXPECT_FALSE(runs_[i].IsComplete()) << "whoever asked for the run does that";
    EXPECT_THAT(Floats(runs_[i]), Each(2.0F * static_cast<float>(i + 1)));
  }
  EXPECT_THAT(runs_[1].result->outputs[0].metadata.shape, ElementsAre(3, 2));
}

TEST_F(BatchRunnerTest, GivesTheOutputsThatWereRequested) {
  const auto run = [](FakeModel::Inputs inputs) {
    return FakeModel::Inputs{{"a", inputs[0].tensor}, {"b", inputs[0].tensor.mul(2)}, {"c", inputs[0].tensor.mul(3)}};
  };
  TestRun& both = Request(1, 1, {.requested_outputs = {"c", "a"}});
  TestRun& wrong = Request(1, 1, {.requested_outputs = {"d"}});
  TestRun& all = Request(1);
  Run(run);
  EXPECT_THAT(Floats(both, 0), Each(3));
  EXPECT_THAT(Floats(both, 1), Each(1));
  EXPECT_THAT(wrong.result, Fails(Reason::kUnknownOutput, HasSubstr("'d'")));
  EXPECT_EQ(all.result->outputs.size(), 3u);
}

TEST_F(BatchRunnerTest, RunsEachAloneWhereTheyFailTogether) {
  const auto run = [](FakeModel::Inputs inputs) {
    if (inputs[0].tensor.isnan().any().item<bool>()) throw std::runtime_error("a NaN");
    return Double(std::move(inputs));
  };
  Request(1);
  Request(std::nanf(""));
  Request(3);
  EXPECT_EQ(Run(run).size(), 3u);
  EXPECT_THAT(Floats(runs_[0]), Each(2));
  EXPECT_THAT(runs_[1].result, Fails(Reason::kInternal, HasSubstr("a NaN")));
  EXPECT_THAT(Floats(runs_[2]), Each(6));
}

TEST_F(BatchRunnerTest, DoesNotRunAgainWhatNobodyWaitsFor) {
  Request(1);
  Request(2).caller = [] { return MakeError(Reason::kCancelled, "gone"); };
  int calls = 0;
  Run([&](FakeModel::Inputs) -> FakeModel::Inputs { throw std::runtime_error(std::to_string(++calls)); });
  EXPECT_EQ(calls, 2) << "together, and the first alone";
  EXPECT_THAT(runs_[1].result, Fails(Reason::kCancelled));
}

TEST_F(BatchRunnerTest, GivesBackInputsAsTheyCameThoughTheModelChangesThem) {
  TestRun& run = Request(1, 1, {.return_data = true});
  Run([](FakeModel::Inputs inputs) {
    inputs[0].tensor.fill_(5);
    return inputs;
  });
  std::array<float, 2> given{};
  std::memcpy(given.data(), run.result->tensors[0].elements->bytes.data(), sizeof(given));
  EXPECT_THAT(given, Each(1));
  EXPECT_THAT(Floats(run), Each(5));
}

// BatchOfPeers is a batch of two callers, in a memory budget that counts for each what he has, as some is in use.
class BatchOfPeers : public testing::Test {
 protected:
  TestRun& Request(const MemoryPeer& peer, std::int64_t rows, BufferPool& pool) {
    Few<NamedArray> arrays;
    arrays.push_back(GoodArray("x", "<f4", {rows, 2}, pool));
    TestRun& run = runs_.emplace_back(std::move(arrays), RunOptions{.return_data = true});
    run.caller_peer = &peer;
    return run;
  }
  void Run(FakeModel::Run_ run) {
    FakeModel model(std::move(run));
    BatchRunner({.batches = true, .max_tensor_bytes = 1 << 10}, pool_).Run(model, {&runs_[0], &runs_[1]});
    for (TestRun& each : runs_) each.inputs.clear();
  }

  MemoryBudget budget_{1600, {.percent = 75, .wait = std::chrono::hours(1)}};
  BufferPool pool_{budget_, 0};
  const MemoryBudget::Reservation in_use_ = budget_.Reserve(101).value();
  TestMemory elsewhere_;
  const NamedPeer one_{"one"}, other_{"other"};
  std::deque<TestRun> runs_;
};

TEST_F(BatchOfPeers, CountsForEachWhatHeIsGivenBackUntilTheLastIsSent) {
  Request(one_, 5, elsewhere_.pool);
  Request(other_, 1, elsewhere_.pool);
  Run([](FakeModel::Inputs inputs) { return inputs; });
  ASSERT_THAT(runs_[0].result, IsOk());
  ASSERT_THAT(runs_[1].result, IsOk());
  constexpr std::uint64_t kRow = 8;
  EXPECT_EQ(budget_.used(), 101 + 2 * 6 * kRow) << "the inputs, and the copies that the model has given back";
  EXPECT_EQ(budget_.shares().most_held(), 2 * 5 * kRow);
  runs_[0].result = absl::UnknownError("sent");
  EXPECT_EQ(budget_.shares().most_held(), 2 * 5 * kRow) << "the other's rows lie in the same memory";
  runs_[1].result = absl::UnknownError("sent");
  EXPECT_EQ(budget_.shares().most_held(), 0u);
  EXPECT_EQ(budget_.used(), 101u);
}

TEST_F(BatchOfPeers, RunsEachAloneWhereTheyDoNotFitTogether) {
  Request(one_, 63, elsewhere_.pool);
  Request(other_, 63, elsewhere_.pool);
  const auto most = pool_.Reserve(400);
  std::vector<std::int64_t> rows;
  Run([&](FakeModel::Inputs inputs) {
    rows.push_back(inputs[0].tensor.size(0));
    return FakeModel::Inputs{{"y", inputs[0].tensor.sum(1)}};
  });
  EXPECT_THAT(rows, ElementsAre(63, 63));
  EXPECT_THAT(runs_[0].result, IsOk());
  EXPECT_THAT(runs_[1].result, IsOk());
}

// Counting is a model that adds to a tensor that it keeps, and shows it in some way.
struct Counting {
  std::string name;
  std::function<at::Tensor(const at::Tensor& kept)> show;
};

const std::vector<Counting> kCounting = {
    {"itself", [](const at::Tensor& kept) { return kept; }},
    {"a row for each",
     [](const at::Tensor& kept) {
       return kept.select(0, 0).expand({2, 4});
     }},
    {"transposed", [](const at::Tensor& kept) { return kept.t(); }},
    {"an alias", [](const at::Tensor& kept) { return kept.alias(); }},
};

// This holds for one row of a batch, too, which may be dense where the batch is not.
TEST_F(BatchRunnerTest, GivesTheValuesAtTheEndOfTheRun) {
  for (const auto& [name, show] : kCounting) {
    at::Tensor kept = at::zeros({2, 2});
    if (name == "a row for each") kept = at::zeros({1, 4});
    const auto count = [&](FakeModel::Inputs) { return FakeModel::Inputs{{"y", show(kept.add_(1))}}; };
    const std::size_t first = runs_.size();
    for (int i = 0; i < 3; ++i) {
      Request(0);
      Request(0);
      Run(count);
    }
    for (std::size_t i = 0; i < 6; ++i) {
      ASSERT_THAT(runs_[first + i].result, IsOk());
      EXPECT_THAT(Floats(runs_[first + i]), Each(static_cast<float>(i / 2 + 1))) << name;
    }
  }
}

TEST_F(BatchRunnerTest, CopiesNothingThatBelongsToTheRun) {
  std::vector<const void*> memory;
  TestRun& first = Request(1);
  TestRun& second = Request(2);
  Run([&](FakeModel::Inputs inputs) {
    FakeModel::Inputs outputs{{"x", std::move(inputs[0].tensor)}, {"y", at::ones({2, 2})}};
    for (const NamedTensor& output : outputs) memory.push_back(output.tensor.const_data_ptr());
    return outputs;
  });
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(first.result->outputs[i].elements->bytes.data(), memory[i]);
    EXPECT_EQ(second.result->outputs[i].elements->bytes.data(), static_cast<const std::byte*>(memory[i]) + 8);
  }
}

TEST_F(BatchRunnerTest, RefusesTooLargeOutputsBeforeTheyAreCopied) {
  const at::Tensor kept = at::ones({1, 1});
  TestRun& run = Request(1);
  Run([&](FakeModel::Inputs) { return FakeModel::Inputs{{"y", kept.expand({1, std::int64_t{1} << 62})}}; });
  EXPECT_THAT(run.result, Fails(Reason::kTensorTooLarge, HasSubstr("has 18446744073709551616 bytes")));
}

TEST_F(BatchRunnerTest, LimitsThreadsOnWhicheverThreadItIsCalled) {
  std::vector<int> threads;
  const auto run = [&](FakeModel::Inputs inputs) {
    threads.push_back(at::get_num_threads());
    return inputs;
  };
  for (const int wanted : {1, 3, 1}) {
    Request(1);
    std::thread([&] { Run(run, {.intra_op_threads = wanted}); }).join();
    Request(1);
    Run(run, {.intra_op_threads = wanted});
  }
  EXPECT_THAT(threads, ElementsAre(1, 1, 3, 3, 1, 1));
}

std::atomic<Clock::rep> run_time;

TEST_F(BatchRunnerTest, SaysWhatTheRunTook) {
  Request(1);
  const RunnerOptions options{.now = [] { return Clock::time_point(Clock::duration(run_time)); }};
  const Few<Execution> executions = Run(
      [](FakeModel::Inputs inputs) {
        run_time += 17;
        return inputs;
      },
      options);
  EXPECT_EQ(executions[0].compute_input.count(), 0);
  EXPECT_EQ(executions[0].compute_infer.count(), 17);
  EXPECT_EQ(executions[0].compute_output.count(), 0);
  EXPECT_EQ(runs_[0].result->compute_time.count(), 17);
}

}  // namespace
}  // namespace tensorferry::inference
