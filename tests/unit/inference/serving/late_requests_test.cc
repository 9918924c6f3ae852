// Requests with a timeout in the queue are refused when it is over, even while the model is busy.
#include <gmock/gmock.h>

#include <deque>
#include <memory>
#include <vector>

#include "base/status.h"
#include "inference/serving/served_model.h"
#include "testing/fake_model.h"
#include "testing/gate.h"
#include "testing/status_matchers.h"
#include "testing/test_memory.h"
#include "testing/test_run.h"

namespace tensorferry::inference {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

class LateRequestsTest : public testing::Test {
 protected:
  // Occupy runs one request, which ends when the test says. `second` is the policy for requests of priority 2.
  void Occupy(const QueuePolicy& policy, const QueuePolicy& second = {}) {
    const auto engine = std::make_shared<FakeModel>([this](FakeModel::Inputs inputs) {
      gate_.Pass();
      return inputs;
    });
    const ServedModel::Options options{
        .runner = {.max_tensor_bytes = 1 << 20},
        .config = {
            .batching = DynamicBatching{
                .priority_levels = 2, .default_priority = 1, .default_policy = policy, .policies = {{2, second}}}}};
    model_ = std::make_unique<ServedModel>(engine->info(), std::vector<std::shared_ptr<Model>>{engine}, options,
                                           memory_.pool);
    running_ = &Submit({});
    gate_.AwaitArrivals(1);
  }

  TestRun& Submit(std::chrono::microseconds timeout, std::uint64_t priority = 1) {
    Few<NamedArray> arrays;
    arrays.push_back(GoodArray("x", "<f4", {1}, memory_.pool));
    TestRun& run = runs_.emplace_back(std::move(arrays), RunOptions{.priority = priority, .timeout = timeout});
    EXPECT_EQ(model_->Submit(run), ModelVersion::Submitted::kTaken);
    return run;
  }

  void Finish() {
    gate_.Open();
    for (TestRun& run : runs_) run.Wait();
  }

  TestMemory memory_;
  Gate gate_;
  std::deque<TestRun> runs_;
  std::unique_ptr<ServedModel> model_;
  TestRun* running_ = nullptr;
};

// This test would not end if late requests were told only when the model is free, since it is busy until they are told.
TEST_F(LateRequestsTest, AreToldWhileTheModelIsBusy) {
  Occupy({.default_timeout = milliseconds(20)});
  const auto start = Clock::now();
  TestRun& late = Submit({});
  EXPECT_THAT(late.Wait(), Fails(Reason::kDeadline, HasSubstr("longer than it may")));
  EXPECT_GE(Clock::now() - start, milliseconds(20));
  EXPECT_FALSE(running_->IsComplete()) << "what runs is not late any more";
  EXPECT_EQ(model_->statistics().fail.count, 1u);
  Finish();
  EXPECT_THAT(running_->result, IsOk());
}

TEST_F(LateRequestsTest, AreToldEachAtItsTime) {
  Occupy({.default_timeout = std::chrono::hours(1), .allow_timeout_override = true});
  TestRun& patient = Submit({});
  TestRun& second = Submit(milliseconds(40));
  TestRun& first = Submit(milliseconds(10));  // Its time is over before that of the requests that wait already.
  EXPECT_THAT(first.Wait(), Fails(Reason::kDeadline));
  EXPECT_THAT(second.Wait(), Fails(Reason::kDeadline));
  TestRun& third = Submit(milliseconds(10));  // It comes when all that were late have been told.
  EXPECT_THAT(third.Wait(), Fails(Reason::kDeadline));
  EXPECT_FALSE(patient.IsComplete());
  Finish();
  EXPECT_THAT(patient.result, IsOk());
}

TEST_F(LateRequestsTest, RunAfterAllOthersWhereThatIsThePolicy) {
  Occupy({.delays_late = true, .allow_timeout_override = true}, {.allow_timeout_override = true});
  TestRun& late = Submit(milliseconds(10));
  EXPECT_THAT(Submit(milliseconds(20), /*priority=*/2).Wait(), Fails(Reason::kDeadline)) << "so the other is late, too";
  EXPECT_FALSE(late.IsComplete());
  TestRun& fresh = Submit({});
  bool fresh_was_first = false;
  late.completed = [&] { fresh_was_first = fresh.result.ok(); };
  Finish();
  EXPECT_THAT(late.result, IsOk());
  EXPECT_TRUE(fresh_was_first);
}

TEST_F(LateRequestsTest, LeaveTheModelAsItIs) {
  Occupy({.allow_timeout_override = true});
  for (int i = 0; i < 20; ++i) Submit(milliseconds(5));
  for (TestRun& run : runs_) {
    if (&run != running_) {
      EXPECT_THAT(run.Wait(), Fails(Reason::kDeadline));
    }
  }
  Finish();
  TestRun& next = Submit({});
  EXPECT_THAT(next.Wait(), IsOk());
  EXPECT_EQ(model_->statistics().success.count, 2u);
  model_.reset();  // This ends the thread that watches for late requests.
}

// This test would not end in time if only a full batch, or its delay, ended the wait.
TEST_F(LateRequestsTest, AreToldWhileABatchIsAwaited) {
  const auto engine = std::make_shared<FakeModel>();
  ModelInfo info = engine->info();
  info.max_batch_size = 8;
  const DynamicBatching batching{.max_queue_delay = std::chrono::hours(1),
                                 .default_policy = {.default_timeout = milliseconds(20)}};
  const ServedModel::Options options{.runner = {.batches = true, .max_tensor_bytes = 1 << 20},
                                     .config = {.batching = batching}};
  model_ = std::make_unique<ServedModel>(info, std::vector<std::shared_ptr<Model>>{engine}, options, memory_.pool);
  EXPECT_THAT(Submit({}).Wait(), Fails(Reason::kDeadline));
}

}  // namespace
}  // namespace tensorferry::inference
