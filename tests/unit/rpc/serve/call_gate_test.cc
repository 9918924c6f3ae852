#include "rpc/serve/call_gate.h"

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>

#include "testing/status_matchers.h"

namespace tensorferry::rpc {
namespace {

using std::chrono::steady_clock;

TEST(CallGate, LetsCallsInUntilItIsClosed) {
  CallGate gate;
  EXPECT_THAT(gate.Enter(), IsOk());
  gate.Close();
  EXPECT_THAT(gate.Enter(), Fails(Reason::kDraining));
}

TEST(CallGate, CountsThoseInside) {
  CallGate gate;
  std::optional<CallGate::Pass> pass(gate.Enter().value());
  EXPECT_THAT(gate.EnterAside(), IsOk());
  EXPECT_EQ(gate.inside(), 1);
  pass.reset();
  EXPECT_EQ(gate.inside(), 0);
}

TEST(CallGate, WaitsForTheLastCall) {
  CallGate gate;
  std::optional<CallGate::Pass> pass(gate.Enter().value());
  gate.Close();
  EXPECT_FALSE(gate.WaitUntilIdle(steady_clock::now()));
  std::thread leaver([&pass] { pass.reset(); });
  EXPECT_TRUE(gate.WaitUntilIdle(steady_clock::now() + std::chrono::minutes(1)));
  leaver.join();
}

TEST(CallGate, LetsOtherCallsInUntilItIsClosedToAll) {
  CallGate gate;
  gate.Close();
  EXPECT_THAT(gate.EnterAside(), IsOk());
  gate.CloseToAll();
  EXPECT_THAT(gate.EnterAside(), Fails(Reason::kDraining));
}

TEST(CallGate, IsQuietWhenNoCallHasCome) {
  CallGate gate;
  gate.Close();
  gate.WaitUntilQuiet(std::chrono::milliseconds(0), steady_clock::time_point::max());
}

TEST(CallGate, WaitsNoLongerForQuietThanItMay) {
  CallGate gate;
  gate.Close();
  std::atomic<bool> over = false;
  std::thread callers([&] {
    while (!over) {
      EXPECT_THAT(gate.Enter(), Fails(Reason::kDraining));
    }
  });
  gate.WaitUntilQuiet(std::chrono::hours(1), steady_clock::now() + std::chrono::milliseconds(20));
  over = true;
  callers.join();
}

}  // namespace
}  // namespace tensorferry::rpc
