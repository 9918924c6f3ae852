#include "inference/serving/run_queue.h"

#include <gmock/gmock.h>

#include <deque>

#include "base/status.h"
#include "testing/payloads.h"
#include "testing/status_matchers.h"
#include "testing/test_memory.h"
#include "testing/test_run.h"

namespace tensorferry::inference {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class RunQueueTest : public testing::Test {
 protected:
  TestRun& Run(const std::vector<std::int64_t>& shape, std::string_view dtype = "<f4", const std::string& name = "x") {
    Few<NamedArray> arrays;
    arrays.push_back(GoodArray(name, dtype, shape, memory_.pool));
    return runs_.emplace_back(std::move(arrays));
  }

  absl::Status Push(RunQueue& queue, TestRun& run, milliseconds at = milliseconds(0)) {
    return queue.Push(run, start_ + at, milliseconds(7));
  }

  std::vector<ModelRun*> Take(RunQueue& queue, milliseconds at = milliseconds(0)) {
    std::vector<ModelRun*> runs;
    for (const RunQueue::Waiting& waiting : queue.Take(start_ + at)) runs.push_back(waiting.run);
    return runs;
  }

  TestMemory memory_;
  std::deque<TestRun> runs_;
  const Clock::time_point start_ = Clock::now();
};

TEST_F(RunQueueTest, GivesRequestsOneByOneWithoutBatching) {
  RunQueue queue(std::nullopt, 8);
  TestRun& first = Run({1, 3});
  TestRun& second = Run({1, 3});
  ASSERT_THAT(Push(queue, first), IsOk());
  ASSERT_THAT(Push(queue, second), IsOk());
  EXPECT_THAT(Take(queue), ElementsAre(&first));
  EXPECT_THAT(Take(queue), ElementsAre(&second));
  EXPECT_THAT(Take(queue), IsEmpty());
  EXPECT_EQ(queue.ready_at(), std::nullopt);
}

TEST_F(RunQueueTest, GivesWhatIsThereUpToTheLargestBatch) {
  RunQueue queue(DynamicBatching{}, 8);
  TestRun& a = Run({3, 2});
  TestRun& b = Run({4, 2});
  TestRun& c = Run({2, 2});
  TestRun& d = Run({1, 2});
  for (TestRun* const run : {&a, &b, &c, &d}) ASSERT_THAT(Push(queue, *run), IsOk());
  EXPECT_EQ(queue.rows(), 10);
  EXPECT_THAT(Take(queue), ElementsAre(&a, &b, &d)) << "c does not fit beside a and b";
  EXPECT_EQ(queue.rows(), 2);
  EXPECT_THAT(Take(queue), ElementsAre(&c));
  EXPECT_EQ(queue.size(), 0u);
}

TEST_F(RunQueueTest, PutsTogetherWhatHasTheSameInputs) {
  RunQueue queue(DynamicBatching{}, 8);
  TestRun& floats = Run({1, 2});
  TestRun& ints = Run({1, 2}, "<i4");
  TestRun& wider = Run({1, 3});
  TestRun& deeper = Run({1, 2, 1});
  TestRun& other = Run({1, 2}, "<f4", "y");
  TestRun& swapped = Run({2, 2}, ">f4");
  for (TestRun* const run : {&floats, &ints, &wider, &deeper, &other, &swapped}) ASSERT_THAT(Push(queue, *run), IsOk());
  EXPECT_THAT(Take(queue), ElementsAre(&floats, &swapped));
  EXPECT_THAT(Take(queue), ElementsAre(&ints));
  EXPECT_THAT(Take(queue), ElementsAre(&wider));
  EXPECT_THAT(Take(queue), ElementsAre(&deeper));
  EXPECT_THAT(Take(queue), ElementsAre(&other));
}

TEST_F(RunQueueTest, FillsTheLargestPreferredBatchThatItCan) {
  RunQueue queue(DynamicBatching{.preferred_batch_sizes = {2, 4}}, 8);
  std::vector<TestRun*> runs;
  for (int i = 0; i < 7; ++i) {
    runs.push_back(&Run({1, 2}));
    ASSERT_THAT(Push(queue, *runs.back()), IsOk());
  }
  EXPECT_THAT(Take(queue), ElementsAre(runs[0], runs[1], runs[2], runs[3]));
  EXPECT_THAT(Take(queue), ElementsAre(runs[4], runs[5]));
  EXPECT_THAT(Take(queue), ElementsAre(runs[6])) << "what is left does not wait";
}

TEST_F(RunQueueTest, WaitsForMoreAsLongAsItIsTold) {
  RunQueue queue(DynamicBatching{.max_queue_delay = milliseconds(10)}, 2);
  TestRun& first = Run({1});
  ASSERT_THAT(Push(queue, first, milliseconds(0)), IsOk());
  EXPECT_THAT(Take(queue, milliseconds(9)), IsEmpty());
  EXPECT_EQ(queue.ready_at(), start_ + milliseconds(10));
  EXPECT_THAT(Take(queue, milliseconds(10)), ElementsAre(&first));

  TestRun& second = Run({1});
  TestRun& third = Run({1});
  ASSERT_THAT(Push(queue, second, milliseconds(20)), IsOk());
  EXPECT_THAT(Take(queue, milliseconds(21)), IsEmpty());
  ASSERT_THAT(Push(queue, third, milliseconds(21)), IsOk());
  EXPECT_THAT(Take(queue, milliseconds(21)), ElementsAre(&second, &third)) << "a full batch waits for nothing";
}

TEST_F(RunQueueTest, TakesTheHighestPriorityFirst) {
  RunQueue queue(DynamicBatching{.priority_levels = 3, .default_priority = 2}, 1);
  TestRun& low = Run({1});
  TestRun& by_default = Run({1});
  TestRun& high = Run({1});
  TestRun& beyond = Run({1});
  low.options.priority = 3;
  high.options.priority = 1;
  beyond.options.priority = 99;
  for (TestRun* const run : {&low, &by_default, &high, &beyond}) ASSERT_THAT(Push(queue, *run), IsOk());
  EXPECT_THAT(Take(queue), ElementsAre(&high));
  EXPECT_THAT(Take(queue), ElementsAre(&by_default));
  EXPECT_THAT(Take(queue), ElementsAre(&beyond)) << "a priority that the model does not have is the default one";
  EXPECT_THAT(Take(queue), ElementsAre(&low));
}

TEST_F(RunQueueTest, TakesTheLongestTimeoutForNever) {
  for (const std::chrono::microseconds never :
       {std::chrono::microseconds::max(), std::chrono::microseconds(10'000'000'000'000'000)}) {
    RunQueue queue(DynamicBatching{.default_policy = {.default_timeout = never}}, 8);
    TestRun& run = Run({1});
    ASSERT_THAT(Push(queue, run), IsOk());
    EXPECT_THAT(queue.RemoveEnded(start_ + std::chrono::hours(1)), IsEmpty());
    EXPECT_THAT(Take(queue), ElementsAre(&run));
  }
}

TEST_F(RunQueueTest, IsFullAtItsLimit) {
  RunQueue queue(DynamicBatching{.default_policy = {.max_queue_size = 2}}, 8);
  ASSERT_THAT(Push(queue, Run({1})), IsOk());
  ASSERT_THAT(Push(queue, Run({1})), IsOk());
  const absl::Status full = Push(queue, Run({1}));
  EXPECT_THAT(full, Fails(Reason::kQueueFull, HasSubstr("2 requests wait")));
  EXPECT_EQ(DescribeError(full).retry_after, milliseconds(7));
  EXPECT_EQ(DescribeError(full).metadata.at("limit"), "2");
  EXPECT_EQ(queue.size(), 2u);
}

TEST_F(RunQueueTest, HasItsPoliciesAlsoWhereNothingRunsTogether) {
  for (const std::int64_t max_batch_size : {0, 1}) {
    RunQueue queue(DynamicBatching{.default_policy = {.max_queue_size = 2}}, max_batch_size);
    TestRun& first = Run({2, 3});
    TestRun& second = Run({2, 3});
    ASSERT_THAT(Push(queue, first), IsOk());
    ASSERT_THAT(Push(queue, second), IsOk());
    EXPECT_THAT(Push(queue, Run({2, 3})), Fails(Reason::kQueueFull));
    EXPECT_THAT(Take(queue), ElementsAre(&first));
    EXPECT_THAT(Take(queue), ElementsAre(&second));
  }
}

TEST_F(RunQueueTest, LetsGoOfRequestsThatNobodyWaitsFor) {
  RunQueue queue(DynamicBatching{}, 8);
  TestRun& gone = Run({2});
  TestRun& stays = Run({1});
  gone.caller = [] { return MakeError(Reason::kCancelled, "gone"); };
  ASSERT_THAT(Push(queue, gone), IsOk());
  ASSERT_THAT(Push(queue, stays), IsOk());
  EXPECT_THAT(queue.RemoveEnded(start_), ElementsAre(&gone));
  EXPECT_THAT(gone.result, Fails(Reason::kCancelled));
  EXPECT_EQ(queue.rows(), 1);
  EXPECT_THAT(Take(queue), ElementsAre(&stays));
}

struct TimeoutCase {
  std::string name;
  QueuePolicy policy;
  microseconds wanted;
  std::optional<microseconds> timeout;
  friend void PrintTo(const TimeoutCase& c, std::ostream* out) { *out << c.name; }
};
class RunQueueTimeout : public RunQueueTest, public testing::WithParamInterface<TimeoutCase> {};

TEST_P(RunQueueTimeout, RefusesWhatWaitedForTooLong) {
  const auto& [name, policy, wanted, timeout] = GetParam();
  RunQueue queue(DynamicBatching{.default_policy = policy}, 8);
  TestRun& run = Run({1});
  run.options.timeout = wanted;
  ASSERT_THAT(queue.Push(run, start_, milliseconds(1)), IsOk());
  EXPECT_THAT(queue.RemoveEnded(start_ + timeout.value_or(std::chrono::hours(1)) - microseconds(1)), IsEmpty());
  if (!timeout) return;
  EXPECT_THAT(queue.RemoveEnded(start_ + *timeout), ElementsAre(&run));
  EXPECT_THAT(run.result, Fails(Reason::kDeadline, HasSubstr("longer than it may")));
}

INSTANTIATE_TEST_SUITE_P(
    Policies, RunQueueTimeout,
    testing::ValuesIn(std::vector<TimeoutCase>{
        {"None", {}, microseconds(0), std::nullopt},
        {"Default", {.default_timeout = microseconds(500)}, microseconds(0), microseconds(500)},
        {"NoOverride", {.default_timeout = microseconds(500)}, microseconds(100), microseconds(500)},
        {"Shorter",
         {.default_timeout = microseconds(500), .allow_timeout_override = true},
         microseconds(100),
         microseconds(100)},
        {"NotLonger",
         {.default_timeout = microseconds(500), .allow_timeout_override = true},
         microseconds(900),
         microseconds(500)},
        {"CallersAlone", {.allow_timeout_override = true}, microseconds(900), microseconds(900)},
    }),
    [](const auto& test) { return test.param.name; });

TEST_F(RunQueueTest, DelaysWhatWaitedForTooLongWhereThatIsThePolicy) {
  RunQueue queue(DynamicBatching{.default_policy = {.delays_late = true, .default_timeout = milliseconds(1)}}, 1);
  TestRun& late = Run({1});
  TestRun& fresh = Run({1});
  ASSERT_THAT(Push(queue, late), IsOk());
  ASSERT_THAT(Push(queue, fresh, milliseconds(5)), IsOk());
  EXPECT_THAT(queue.RemoveEnded(start_ + milliseconds(5)), IsEmpty());
  EXPECT_THAT(Take(queue, milliseconds(5)), ElementsAre(&fresh));
  EXPECT_THAT(queue.RemoveEnded(start_ + std::chrono::hours(1)), IsEmpty()) << "it is late already";
  EXPECT_THAT(Take(queue, milliseconds(5)), ElementsAre(&late));
}

TEST_F(RunQueueTest, SaysWhenTheFirstOfThemIsLate) {
  RunQueue queue(
      DynamicBatching{.priority_levels = 2,
                      .default_priority = 2,
                      .default_policy = {.default_timeout = milliseconds(50), .allow_timeout_override = true},
                      .policies = {{1, {.default_timeout = milliseconds(100)}}}},
      1);
  EXPECT_EQ(queue.next_late_at(), std::nullopt);
  TestRun& patient = Run({1});
  patient.options.priority = 1;
  ASSERT_THAT(Push(queue, patient), IsOk());
  EXPECT_EQ(queue.next_late_at(), start_ + milliseconds(100));
  TestRun& usual = Run({1});
  ASSERT_THAT(Push(queue, usual, milliseconds(10)), IsOk());
  EXPECT_EQ(queue.next_late_at(), start_ + milliseconds(60)) << "of whatever priority";
  TestRun& hurried = Run({1});
  hurried.options.timeout = milliseconds(5);
  ASSERT_THAT(Push(queue, hurried, milliseconds(20)), IsOk());
  EXPECT_EQ(queue.next_late_at(), start_ + milliseconds(25)) << "though it came last";
  EXPECT_THAT(queue.RemoveEnded(start_ + milliseconds(25)), ElementsAre(&hurried));
  EXPECT_EQ(queue.next_late_at(), start_ + milliseconds(60));
  EXPECT_THAT(Take(queue, milliseconds(30)), ElementsAre(&patient));
  EXPECT_THAT(Take(queue, milliseconds(30)), ElementsAre(&usual));
  EXPECT_EQ(queue.next_late_at(), std::nullopt) << "they run";
}

TEST_F(RunQueueTest, HasNobodyLateTwiceOrWithoutATimeout) {
  RunQueue queue(DynamicBatching{.default_policy = {.delays_late = true, .default_timeout = milliseconds(1)}}, 1);
  ASSERT_THAT(Push(queue, Run({1})), IsOk());
  EXPECT_EQ(queue.next_late_at(), start_ + milliseconds(1));
  EXPECT_THAT(queue.RemoveEnded(start_ + milliseconds(1)), IsEmpty());
  EXPECT_EQ(queue.next_late_at(), std::nullopt) << "it is delayed";
  RunQueue without(std::nullopt, 0);
  TestRun& asks = Run({1});
  asks.options.timeout = milliseconds(1);
  ASSERT_THAT(Push(without, asks), IsOk());
  EXPECT_EQ(without.next_late_at(), std::nullopt) << "nothing lets callers set one";
}

// Strings of two requests cannot be rows of one tensor.
TEST_F(RunQueueTest, GivesStringsAlone) {
  RunQueue queue(DynamicBatching{}, 8);
  const auto strings = [&](std::int64_t count) -> TestRun& {
    TestRun& run = Run({20}, "|u1");
    run.inputs[0].strings = Shape{count};
    return run;
  };
  TestRun& first = strings(2);
  TestRun& second = strings(2);
  TestRun& bytes = Run({2}, "|u1");
  TestRun& others = Run({3}, "|u1");
  for (TestRun* const run : {&first, &bytes, &second, &others}) ASSERT_THAT(Push(queue, *run), IsOk());
  EXPECT_EQ(queue.rows(), 9) << "strings, not their bytes";
  EXPECT_THAT(Take(queue), ElementsAre(&first));
  EXPECT_THAT(Take(queue), ElementsAre(&bytes, &others)) << "bytes that are no strings";
  EXPECT_THAT(Take(queue), ElementsAre(&second));
}

}  // namespace
}  // namespace tensorferry::inference
