#include "base/periodic_thread.h"

#include <gmock/gmock.h>

#include <atomic>
#include <future>
#include <latch>
#include <optional>

namespace tensorferry {
namespace {

using std::chrono::milliseconds;

TEST(PeriodicThread, CallsAgainAndAgain) {
  std::latch three_calls(3);
  std::atomic<int> calls = 0;
  const PeriodicThread thread(milliseconds(1), [&] {
    if (++calls <= 3) three_calls.count_down();
  });
  three_calls.wait();
}

TEST(PeriodicThread, EndsWithoutWaitingForTheInterval) {
  bool called = false;
  {
    const PeriodicThread thread(std::chrono::hours(24), [&] { called = true; });
  }
  EXPECT_FALSE(called) << "the first call is an interval after the start";
}

TEST(PeriodicThread, WaitsForACallInProgressAndMakesNoOther) {
  std::promise<void> started, may_end;
  std::atomic<int> calls = 0, ended = 0;
  std::optional<PeriodicThread> thread;
  thread.emplace(milliseconds(1), [&, ending = may_end.get_future().share()] {
    if (++calls == 1) started.set_value();
    ending.wait();
    ++ended;
  });
  started.get_future().wait();
  std::thread ender([&] { may_end.set_value(); });
  thread.reset();
  EXPECT_GE(ended, 1);
  EXPECT_EQ(ended, calls);
  ender.join();
}

}  // namespace
}  // namespace tensorferry
