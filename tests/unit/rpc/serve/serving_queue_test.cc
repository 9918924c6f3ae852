#include "rpc/serve/serving_queue.h"

#include <gmock/gmock.h>
#include <grpcpp/alarm.h>
#include <grpcpp/server.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <iterator>
#include <memory>

#include "testing/held_queue.h"

namespace tensorferry::rpc {
namespace {

// ServingQueueTest has a queue of a server without services. Its events come from alarms.
class ServingQueueTest : public testing::Test {
 protected:
  ServingQueueTest() : queue_(builder_), server_(builder_.BuildAndStart()) { queue_.Start(1); }
  ~ServingQueueTest() override {
    server_->Shutdown();
    queue_.Stop();
  }

  // Ring completes the operation at once, on the queue's thread.
  void Ring(grpc::Alarm& alarm, Operation& operation) {
    alarm.Set(queue_.get(), gpr_inf_past(GPR_CLOCK_REALTIME), operation.Start());
  }

  // AwaitOnQueue awaits, on the queue's thread, an operation that `complete` completes, or that nobody does. It sets
  // `result` to that of CompleteOrIdle.
  Detached AwaitOnQueue(bool complete, std::promise<bool>& result) {
    Operation here;
    grpc::Alarm to_queue;
    Ring(to_queue, here);
    co_await here;
    Operation awaited;
    grpc::Alarm alarm;
    if (complete) {
      Ring(alarm, awaited);
    } else {
      awaited.Start();
    }
    const bool completed = co_await queue_.CompleteOrIdle(awaited);
    result.set_value(completed);
  }

  // AwaitOnRelief does so without `complete`, on a relief thread that it holds up until `go_on`.
  Detached AwaitOnRelief(std::promise<void>& held, std::promise<void>& go_on, std::promise<bool>& result) {
    Operation here;
    grpc::Alarm to_queue;
    Ring(to_queue, here);
    co_await here;
    held.set_value();
    go_on.get_future().wait();
    Operation awaited;
    awaited.Start();
    const bool completed = co_await queue_.CompleteOrIdle(awaited);
    result.set_value(completed);
  }

  // KeepBusy gives the queue something to do for as long as `busy` says.
  Detached KeepBusy(const std::atomic<bool>& busy, std::promise<void>& ended) {
    while (busy) {
      Operation rung;
      grpc::Alarm alarm;
      Ring(alarm, rung);
      co_await rung;
    }
    ended.set_value();
  }

  grpc::ServerBuilder builder_;
  ServingQueue queue_;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(ServingQueueTest, TellsCompletion) {
  std::promise<bool> completed;
  AwaitOnQueue(/*complete=*/true, completed);
  EXPECT_TRUE(completed.get_future().get());
}

TEST_F(ServingQueueTest, TellsIdlenessInsteadOfWaitingForEver) {
  std::promise<bool> completed;
  AwaitOnQueue(/*complete=*/false, completed);
  EXPECT_FALSE(completed.get_future().get());
}

TEST_F(ServingQueueTest, LetsNobodyWaitForIdlenessThatNeverComes) {
  std::atomic<bool> busy = true;
  std::promise<void> ended;
  KeepBusy(busy, ended);
  std::promise<bool> completed;
  AwaitOnQueue(/*complete=*/false, completed);
  EXPECT_FALSE(completed.get_future().get());
  busy = false;
  ended.get_future().wait();
}

TEST_F(ServingQueueTest, IsServedWhileItsOnlyThreadIsHeldUp) {
  Hold hold;
  Served served;
  grpc::Alarm first, second;
  first.Set(queue_.get(), gpr_inf_past(GPR_CLOCK_REALTIME), &hold);
  hold.held.get_future().wait();
  second.Set(queue_.get(), gpr_inf_past(GPR_CLOCK_REALTIME), &served);
  auto done = served.done.get_future();
  while (done.wait_for(std::chrono::seconds(0)) != std::future_status::ready) queue_.RelieveIfStalled();
  hold.go_on.set_value();
  hold.ended.get_future().wait();
}

TEST_F(ServingQueueTest, NobodyStandsInForAThreadThatSleeps) {
  Served served;
  grpc::Alarm alarm;
  alarm.Set(queue_.get(), gpr_inf_past(GPR_CLOCK_REALTIME), &served);
  served.done.get_future().wait();
  const auto threads = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"), std::filesystem::directory_iterator());
  };
  const auto before = threads();
  for (int i = 0; i < 1000; ++i) queue_.RelieveIfStalled();
  EXPECT_LE(threads(), before + 1) << "gRPC may start one of its own";
}

// The queue's own thread is back, and waits for an event without an end, when the last event of the relief thread
// begins to wait for idleness. The relief thread is the only one that knows.
TEST_F(ServingQueueTest, ReliefThreadTellsIdlenessBeforeItEnds) {
  Hold hold;
  grpc::Alarm first;
  first.Set(queue_.get(), gpr_inf_past(GPR_CLOCK_REALTIME), &hold);
  hold.held.get_future().wait();
  std::promise<void> relief_held, go_on;
  std::promise<bool> completed;
  AwaitOnRelief(relief_held, go_on, completed);
  auto is_held = relief_held.get_future();
  while (is_held.wait_for(std::chrono::seconds(0)) != std::future_status::ready) queue_.RelieveIfStalled();
  hold.go_on.set_value();
  hold.ended.get_future().wait();
  Served served;
  grpc::Alarm second;
  second.Set(queue_.get(), gpr_inf_past(GPR_CLOCK_REALTIME), &served);
  served.done.get_future().wait();
  queue_.RelieveIfStalled();  // It sees that the queue's own thread is back.
  go_on.set_value();
  auto result = completed.get_future();
  ASSERT_EQ(result.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  EXPECT_FALSE(result.get());
}

}  // namespace
}  // namespace tensorferry::rpc
