#include "rpc/call/response_queue.h"

#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <utility>

#include "testing/fake_stream.h"
#include "testing/test_memory.h"

namespace tensorferry::rpc {
namespace {

// FirstText returns the only message of the first entry.
std::string FirstText(ResponseQueue& queue) { return Concatenated(queue.Front()->response->Next().value().bytes()); }

ResponseQueue::Entry Ready(const std::string& text) { return {.response = ResponseOf(text), .run = nullptr}; }

TEST(ResponseQueue, KeepsTheOrder) {
  TestMemory memory;
  ResponseQueue queue(memory.pool);
  EXPECT_EQ(queue.Front(), nullptr);
  EXPECT_TRUE(queue.empty());
  queue.Push(Ready("a"));
  queue.Push(Ready("b"));
  EXPECT_EQ(FirstText(queue), "a");
  queue.Pop();
  EXPECT_EQ(FirstText(queue), "b");
  queue.Pop();
  EXPECT_TRUE(queue.empty());
}

TEST(ResponseQueue, SaysWhetherTheSecondCanBeSent) {
  TestMemory memory;
  ResponseQueue queue(memory.pool);
  auto run = std::make_unique<FakeRun>("b", /*quick=*/false);
  FakeRun& second = *run;
  EXPECT_FALSE(queue.NextIsReady());
  queue.Push(Ready("a"));
  EXPECT_FALSE(queue.NextIsReady());
  queue.Push({.response = std::nullopt, .run = std::move(run)});
  EXPECT_FALSE(queue.NextIsReady());
  second.Complete();
  EXPECT_TRUE(queue.NextIsReady());
  queue.Pop();
  EXPECT_FALSE(queue.NextIsReady()) << "there is no second one now";
  queue.Push(Ready("c"));
  EXPECT_TRUE(queue.NextIsReady());
}

TEST(ResponseQueue, IsFullAtItsLimit) {
  TestMemory memory;
  ResponseQueue queue(memory.pool);
  for (std::size_t i = 0; i < ResponseQueue::kMaxEntries; ++i) {
    EXPECT_FALSE(queue.full());
    queue.Push(Ready("x"));
  }
  EXPECT_TRUE(queue.full());
  queue.Pop();
  EXPECT_FALSE(queue.full());
}

TEST(ResponseQueue, IsFullWhereTheBudgetHasNoRoomForMore) {
  TestMemory memory(16 * ResponseQueue::kEntryBytes);
  ResponseQueue queue(memory.pool);
  {
    const auto taken = memory.pool.Reserve(memory.budget.limit());
    for (std::size_t i = 0; i < ResponseQueue::kUncountedEntries; ++i) {
      EXPECT_FALSE(queue.full());
      queue.Push(Ready("x"));
    }
    EXPECT_TRUE(queue.full());
  }
  while (!queue.full()) queue.Push(Ready("x"));
  EXPECT_LE(memory.budget.used(), memory.budget.limit());
  while (!queue.empty()) queue.Pop();
  EXPECT_EQ(memory.budget.used(), 0u);
}

TEST(ResponseQueue, IsAtItsEndOnceClosedAndEmpty) {
  TestMemory memory;
  ResponseQueue queue(memory.pool);
  EXPECT_FALSE(queue.at_end());
  queue.Push(Ready("a"));
  queue.Close();
  EXPECT_FALSE(queue.at_end());
  queue.Pop();
  EXPECT_TRUE(queue.at_end());
}

TEST(ResponseQueue, RemembersThatTheStreamHasEnded) {
  TestMemory memory;
  ResponseQueue queue(memory.pool);
  EXPECT_FALSE(queue.stream_ended());
  queue.NoteEnd();
  EXPECT_TRUE(queue.stream_ended());
}

// CountWakes counts how often it is woken, until it has been woken `times`.
Detached CountWakes(Waker& waker, int& woken, int times) {
  while (woken < times) {
    co_await waker.Sleep();
    ++woken;
  }
}

TEST(ResponseQueue, WakesWhoWaitsForEntriesAndForRoom) {
  TestMemory memory;
  ResponseQueue queue(memory.pool);
  int pushed = 0, popped = 0;
  CountWakes(queue.pushed(), pushed, 2);
  CountWakes(queue.popped(), popped, 1);
  queue.Push(Ready("a"));
  EXPECT_EQ(pushed, 1);
  EXPECT_EQ(popped, 0);
  queue.Pop();
  EXPECT_EQ(popped, 1);
  queue.Close();
  EXPECT_EQ(pushed, 2);
}

}  // namespace
}  // namespace tensorferry::rpc
