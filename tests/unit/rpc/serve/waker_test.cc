#include "rpc/serve/waker.h"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

namespace tensorferry::rpc {
namespace {

Detached CountWakes(Waker& waker, int& woken, int times) {
  while (woken < times) {
    co_await waker.Sleep();
    ++woken;
  }
}

TEST(Waker, WakesWhoSleeps) {
  Waker waker;
  int woken = 0;
  CountWakes(waker, woken, 2);
  EXPECT_EQ(woken, 0);
  waker.Wake();
  EXPECT_EQ(woken, 1);
  waker.Wake();
  EXPECT_EQ(woken, 2);
}

TEST(Waker, RemembersOneCallThatFoundNobodyAsleep) {
  Waker waker;
  waker.Wake();
  waker.Wake();
  int woken = 0;
  CountWakes(waker, woken, 2);
  EXPECT_EQ(woken, 1) << "something has changed, however often";
  waker.Wake();
  EXPECT_EQ(woken, 2);
}

// SleepUntil sleeps until `changed` reaches `last`, as a coroutine does that waits for a condition.
Detached SleepUntil(Waker& waker, const std::atomic<int>& changed, int last, std::atomic<bool>& ended) {
  while (changed < last) co_await waker.Sleep();
  ended = true;
  ended.notify_all();
}

TEST(Waker, LosesNoChangeThatAnotherThreadMakes) {
  constexpr int kChanges = 20'000;
  Waker waker;
  std::atomic<int> changed = 0;
  std::atomic<bool> ended = false;
  std::thread other([&] {
    for (int i = 0; i < kChanges; ++i) {
      ++changed;
      waker.Wake();
    }
  });
  SleepUntil(waker, changed, kChanges, ended);
  ended.wait(false);
  other.join();
  EXPECT_EQ(changed, kChanges);
}

}  // namespace
}  // namespace tensorferry::rpc
