#include "rpc/serve/wait_limit.h"

#include <gmock/gmock.h>

#include <chrono>
#include <optional>

#include "testing/waiting_caller.h"

namespace tensorferry::rpc {
namespace {

using testing::Eq;

constexpr std::chrono::hours kLimit{24};  // The test says when it has passed.

// CancelledCall completes its operation when it is cancelled, as gRPC does.
class CancelledCall final : public WaitingCaller {
 public:
  void Cancel() override {
    ++cancels;
    finished.Complete(false);
  }
  int cancels = 0;
};

class WaitLimitTest : public testing::Test {
 protected:
  // AwaitWithin and AwaitOrCancel await an operation, and note the result.
  Detached AwaitWithin(Operation& operation) {
    WaitLimit::Member member(limit_);
    const bool complete = co_await member.Within(operation);
    result_ = complete;
  }
  Detached AwaitOrCancel(CancelledCall& call) {
    WaitLimit::Member member(limit_);
    const bool ok = co_await member.OrCancel(call.finished, call);
    result_ = ok;
  }

  void EndLongWaits() { limit_.EndLongWaits(WaitLimit::Clock::now() + 2 * kLimit); }

  WaitLimit limit_{kLimit};
  std::optional<bool> result_;
};

TEST_F(WaitLimitTest, EndsAWaitAndLeavesTheOperationPending) {
  Operation operation;
  operation.Start();
  AwaitWithin(operation);
  limit_.EndLongWaits(WaitLimit::Clock::now());
  EXPECT_THAT(result_, Eq(std::nullopt)) << "it is not so long";
  EndLongWaits();
  EXPECT_THAT(result_, Eq(false));
  EXPECT_FALSE(operation.complete());
  operation.Complete(true);
}

TEST_F(WaitLimitTest, EndsNoWaitThatIsOver) {
  Operation operation;
  operation.Start();
  AwaitWithin(operation);
  operation.Complete(false);
  EXPECT_THAT(result_, Eq(true)) << "the result says that it is complete, not gRPC's ok";
  EndLongWaits();
}

TEST_F(WaitLimitTest, CancelsACall) {
  CancelledCall call;
  call.finished.Start();
  AwaitOrCancel(call);
  EndLongWaits();
  EXPECT_EQ(call.cancels, 1);
  EXPECT_THAT(result_, Eq(false));
}

TEST_F(WaitLimitTest, TellsWhatGrpcSays) {
  CancelledCall call;
  call.finished.Start();
  AwaitOrCancel(call);
  call.finished.Complete(true);
  EndLongWaits();
  EXPECT_EQ(call.cancels, 0);
  EXPECT_THAT(result_, Eq(true));
}

// A call whose caller is in the way has a second.
TEST(WaitLimitInAHurry, EndsTheWaitsOfWhoIsInTheWay) {
  CancelledCall in_the_way, other;
  bool needed = false;
  WaitLimit limit(kLimit, {.is_needed = [&] { return needed; },
                           .concerns = [&](const AsyncCall& call) { return &call == &in_the_way; }});
  const auto await = [](WaitLimit& waits, CancelledCall& call, std::optional<bool>& result) -> Detached {
    WaitLimit::Member member(waits, &call);
    const bool complete = co_await member.Within(call.finished);
    result = complete ? std::optional<bool>() : member.was_in_the_way();
  };
  std::optional<bool> ended, other_ended;
  in_the_way.finished.Start();
  other.finished.Start();
  await(limit, in_the_way, ended);
  await(limit, other, other_ended);
  const auto later = WaitLimit::Clock::now() + WaitLimit::kInTheWay;
  limit.EndLongWaits(later);
  EXPECT_THAT(ended, Eq(std::nullopt)) << "nobody needs its memory";
  needed = true;
  limit.EndLongWaits(later - WaitLimit::kInTheWay);
  EXPECT_THAT(ended, Eq(std::nullopt)) << "it is not so long";
  limit.EndLongWaits(later);
  EXPECT_THAT(ended, Eq(true));
  EXPECT_THAT(other_ended, Eq(std::nullopt));
  limit.EndLongWaits(WaitLimit::Clock::now() + 2 * kLimit);
  EXPECT_THAT(other_ended, Eq(false)) << "its wait was long";
  in_the_way.finished.Complete(true);
  other.finished.Complete(true);
}

TEST(WaitLimitOfZero, EndsNothing) {
  WaitLimit limit(std::chrono::milliseconds(0));
  Operation operation;
  operation.Start();
  bool resumed = false;
  const auto await = [](WaitLimit& waits, Operation& pending, bool& over) -> Detached {
    WaitLimit::Member member(waits);
    co_await member.Within(pending);
    over = true;
  };
  await(limit, operation, resumed);
  limit.EndLongWaits(WaitLimit::Clock::time_point::max());
  EXPECT_FALSE(resumed);
  operation.Complete(true);
  EXPECT_TRUE(resumed);
}

}  // namespace
}  // namespace tensorferry::rpc
