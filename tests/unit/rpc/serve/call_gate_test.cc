#include "rpc/serve/call_gate.h"

#include <gmock/gmock.h>

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

TEST(CallGate, WaitsForTheLastCall) {
  CallGate gate;
  std::optional<CallGate::Pass> pass(gate.Enter().value());
  gate.Close();
  EXPECT_FALSE(gate.WaitUntilIdle(steady_clock::now()));
  std::thread leaver([&pass] { pass.reset(); });
  EXPECT_TRUE(gate.WaitUntilIdle(steady_clock::now() + std::chrono::minutes(1)));
  leaver.join();
}

}  // namespace
}  // namespace tensorferry::rpc
