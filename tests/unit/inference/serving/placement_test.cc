// These tests say by numbers where runs go: bytes, microseconds, requests. No thread and no clock takes part.
#include "inference/serving/placement.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace tensorferry::inference {
namespace {

using Where = Placement::Where;
using std::chrono::microseconds;

// PastRun is a run that has ended: the bytes of its inputs, and the microseconds that it took.
struct PastRun {
  std::uint64_t nbytes;
  int took;
};

// Arrival is a request that came: with it, those that wait or run, and the executors whose callers are being answered.
struct Arrival {
  std::size_t present;
  std::size_t answering = 0;
};

struct Case {
  std::string name;
  Placement::Traits traits;
  std::vector<PastRun> runs;
  std::vector<Arrival> arrivals;
  std::uint64_t nbytes;
  Where where;
  std::optional<int> running_for = std::nullopt;  // Microseconds for which the oldest run goes on.
  bool thread_is_idle = false;
  std::vector<std::size_t> batches = {};  // Requests that a thread found once it was idle.
  bool may_run_here = true;
};

constexpr Placement::Traits kAlone{};
constexpr Placement::Traits kBatching{.batches = true};
const std::vector<PastRun> kVeryShort{{100, 149}, {100, 149}, {100, 149}};
const std::vector<PastRun> kShort{{100, 699}, {100, 699}, {100, 699}};
const std::vector<Arrival> kAloneEightTimes(8, Arrival{1});

const std::vector<Case> kCases = {
    {"Unknown", kAlone, {}, {}, 100, Where::kExecutor},
    {"TwoRunsMayHaveBeenLuck", kAlone, {{100, 10}, {100, 10}}, {}, 100, Where::kExecutor},
    {"Trivial", {.trivial = true}, {}, {}, 1 << 30, Where::kHere},
    {"TrivialWhileARunGoesOn", {.trivial = true}, {}, {}, 100, Where::kHere, 1'000'000},

    {"VeryShort", kAlone, kVeryShort, {}, 100, Where::kHere},
    {"VeryShortTwiceTheBytes", kAlone, kVeryShort, {}, 201, Where::kHere},
    {"VeryShortMoreThanTwiceTheBytes", kAlone, kVeryShort, {}, 202, Where::kExecutor},
    {"NotVeryShort", kAlone, {{100, 150}, {100, 150}, {100, 150}}, {}, 100, Where::kExecutor},
    {"VeryShortAmongMany", kAlone, kVeryShort, {{5}}, 100, Where::kHere},

    {"ShortAmongMany", kAlone, kShort, {{2}}, 100, Where::kExecutor},
    {"ShortAndSevenTimesAlone", kAlone, kShort, std::vector<Arrival>(7, Arrival{1}), 100, Where::kExecutor},
    {"ShortAndEightTimesAlone", kAlone, kShort, kAloneEightTimes, 100, Where::kHere},
    {"AnswersOnTheirWayAreNotCounted", kAlone, kShort, std::vector<Arrival>(8, {1, 1}), 100, Where::kExecutor},
    {"NotShort", kAlone, {{100, 700}, {100, 700}, {100, 700}}, kAloneEightTimes, 100, Where::kExecutor},

    {"WarnedByALongRun", kAlone, {{100, 10}, {100, 10}, {100, 10}, {50, 1401}}, {}, 10, Where::kExecutor},
    {"WhileARunGoesOn", kAlone, kVeryShort, {}, 100, Where::kHere, 1400},
    {"WhileARunTakesLong", kAlone, kVeryShort, {}, 100, Where::kExecutor, 1401},
    {"BatchingWhileARunTakesLong", kBatching, kVeryShort, {}, 100, Where::kExecutor, 1401},

    {"Batching", kBatching, kShort, {}, 100, Where::kWhenIdle},
    {"BatchingOnAnIdleThread", kBatching, kShort, {}, 100, Where::kHere, std::nullopt, true},
    {"BatchingAndSevenTimesAlone",
     kBatching,
     kShort,
     {},
     100,
     Where::kWhenIdle,
     std::nullopt,
     false,
     {1, 1, 1, 1, 1, 1, 1}},
    {"BatchingAndEightTimesAlone",
     kBatching,
     kShort,
     {},
     100,
     Where::kHere,
     std::nullopt,
     false,
     {1, 1, 1, 1, 1, 1, 1, 1}},
    {"BatchingAndNotAloneAtLast",
     kBatching,
     kShort,
     {},
     100,
     Where::kWhenIdle,
     std::nullopt,
     false,
     {1, 1, 1, 1, 1, 1, 1, 1, 2}},
    {"BatchingUnknown", kBatching, {}, {}, 100, Where::kExecutor},
    {"VeryShortOnAThreadThatOthersNeed",
     kAlone,
     kVeryShort,
     kAloneEightTimes,
     100,
     Where::kExecutor,
     std::nullopt,
     false,
     {},
     false},
    {"BatchingOnAThreadThatOthersNeed",
     kBatching,
     kShort,
     {},
     100,
     Where::kExecutor,
     std::nullopt,
     false,
     {1, 1, 1, 1, 1, 1, 1, 1},
     false},
    {"TrivialOnAThreadThatOthersNeed", {.trivial = true}, {}, {}, 100, Where::kHere, std::nullopt, false, {}, false},
    {"BatchingWithADelay", {.batches = true, .waits = true}, kVeryShort, {}, 100, Where::kExecutor},
};

class PlacementTest : public testing::TestWithParam<Case> {};

TEST_P(PlacementTest, SaysWhereARunGoes) {
  const Case& row = GetParam();
  Placement placement(row.traits);
  for (const PastRun& run : row.runs) placement.RecordRun(run.nbytes, microseconds(run.took));
  for (const Arrival& arrival : row.arrivals) placement.RecordArrival(arrival.present, arrival.answering);
  for (const std::size_t requests : row.batches) placement.RecordBatch(requests);
  const Clock::time_point now{std::chrono::hours(1)};
  Placement::State state{.thread_is_idle = row.thread_is_idle, .may_run_here = row.may_run_here};
  if (row.running_for) state.oldest_start = now - microseconds(*row.running_for);
  EXPECT_EQ(placement.Decide(row.nbytes, now, state), row.where);
}

INSTANTIATE_TEST_SUITE_P(Cases, PlacementTest, testing::ValuesIn(kCases),
                         [](const testing::TestParamInfo<Case>& test) { return test.param.name; });

// A thread that tells no idleness runs a batching model for callers who come alone, and leaves the others to an executor,
// where they meet.
TEST(Placement, WaitsForNoIdlenessThatIsNotTold) {
  Placement placement(kBatching);
  for (const PastRun& run : kShort) placement.RecordRun(run.nbytes, microseconds(run.took));
  const Placement::State state{.tells_idle = false};
  EXPECT_EQ(placement.Decide(100, {}, state), Where::kExecutor) << "nothing is known of arrivals";
  for (int i = 0; i < 8; ++i) placement.RecordArrival(1, 0);
  EXPECT_EQ(placement.Decide(100, {}, state), Where::kHere);
  placement.RecordArrival(2, 0);
  EXPECT_EQ(placement.Decide(100, {}, state), Where::kExecutor);
}

TEST(Placement, ChecksEverySixteenthThatIsExpectedToComeAlone) {
  Placement placement(kBatching);
  for (const PastRun& run : kShort) placement.RecordRun(run.nbytes, microseconds(run.took));
  for (int i = 0; i < 8; ++i) placement.RecordBatch(1);
  int checked = 0;
  for (int i = 0; i < 32; ++i) checked += placement.Decide(100, {}, {}) == Where::kWhenIdle ? 1 : 0;
  EXPECT_EQ(checked, 2);
}

}  // namespace
}  // namespace tensorferry::inference
