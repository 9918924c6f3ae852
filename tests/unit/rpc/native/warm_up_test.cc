#include "rpc/native/warm_up.h"

#include <gmock/gmock.h>

#include "rpc/call_steps.h"
#include "testing/byte_buffers.h"
#include "testing/echo_converter.h"
#include "testing/no_models.h"
#include "testing/status_matchers.h"
#include "testing/test_memory.h"

namespace tensorferry::rpc {
namespace {

TEST(WarmUp, RunsARequestThatLeavesNothingBehind) {
  EchoConverter converter;
  NoModels models;
  TestMemory memory;
  CallGate gate;
  const CallChain chain(MakeCallSteps(gate));
  SharedRegions regions(RegionKinds{});
  EXPECT_THAT(WarmUp({converter, models, memory.pool, chain, regions, {.max_tensor_bytes = 1 << 20}, 1 << 20}), IsOk());
  EXPECT_EQ(memory.pool.stats().taken, 1u);
  EXPECT_EQ(memory.budget.used(), 0u);
  EXPECT_TRUE(gate.WaitUntilIdle(std::chrono::steady_clock::now()));
}

TEST(WarmUp, IsRefusedWhereEveryRequestIs) {
  EchoConverter converter;
  NoModels models;
  TestMemory memory;
  CallGate gate;
  const CallChain chain(MakeCallSteps(gate));
  SharedRegions regions(RegionKinds{});
  EXPECT_THAT(WarmUp({converter, models, memory.pool, chain, regions, {.max_tensor_bytes = 63}, 1 << 20}),
              Fails(Reason::kTensorTooLarge));
}

}  // namespace
}  // namespace tensorferry::rpc
