#include "inference/repository/operation_queue.h"

#include <gmock/gmock.h>

#include <future>
#include <string>

#include "testing/gate.h"

namespace tensorferry::inference {
namespace {

using Kind = OperationQueue::Kind;

TEST(OperationQueue, RunsTheOperationsOfAModelInOrder) {
  std::string order;
  {
    OperationQueue queue(3);
    for (const char c : std::string("abcdefgh")) {
      queue.Post("m", c % 2 == 0 ? Kind::kLoad : Kind::kQuick, [&order, c] { order += c; });
    }
  }
  EXPECT_EQ(order, "abcdefgh") << "all of them, before it ends";
}

TEST(OperationQueue, RunsLoadsOfSeveralModelsAtOnceButNotMore) {
  Gate gate;
  std::atomic<int> begun = 0;
  OperationQueue queue(2);
  for (const char* const model : {"a", "b", "c"}) {
    queue.Post(model, Kind::kLoad, [&] {
      ++begun;
      gate.Pass();
    });
  }
  gate.AwaitArrivals(2);
  std::promise<void> quick;
  queue.Post("d", Kind::kQuick, [&] { quick.set_value(); });
  quick.get_future().wait();
  EXPECT_EQ(begun, 2) << "and what is quick waits for no load";
  gate.Open();
  queue.AwaitIdle();
  EXPECT_EQ(begun, 3);
}

TEST(OperationQueue, HoldsBackNothingButTheModelItself) {
  Gate gate;
  OperationQueue queue(2);
  bool second = false;
  queue.Post("a", Kind::kLoad, [&] { gate.Pass(); });
  queue.Post("a", Kind::kLoad, [&] { second = true; });
  gate.AwaitArrivals(1);
  std::promise<bool> other;
  queue.Post("b", Kind::kLoad, [&] { other.set_value(second); });
  EXPECT_FALSE(other.get_future().get());
  gate.Open();
  queue.AwaitIdle();
  EXPECT_TRUE(second);
}

TEST(OperationQueue, DestroysWhatAnOperationHeldBeforeItIsIdle) {
  const auto held = std::make_shared<int>(1);
  OperationQueue queue(1);
  queue.Post("m", Kind::kLoad, [held] {});
  queue.AwaitIdle();
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace tensorferry::inference
