#include "rpc/call/intake.h"

#include <gmock/gmock.h>

#include <span>
#include <string>

#include "rpc/call_steps.h"
#include "testing/decoded.h"
#include "testing/echo_converter.h"
#include "testing/fake_model_version.h"
#include "testing/requests.h"
#include "testing/status_matchers.h"
#include "testing/test_memory.h"

namespace tensorferry::rpc {
namespace {

// IntakeForBatches takes a request in for a model with batches.
class IntakeForBatches : public testing::Test {
 protected:
  IntakeForBatches() {
    models_.model->has_batches = true;
    request_.set_model_name("model");
    AddData(request_, "x", std::string(kBytes, 'x'));
  }

  static constexpr std::size_t kBytes = 1000;

  EchoConverter converter_;
  OneModel models_;
  TestMemory memory_;
  CallGate gate_;
  CallChain chain_{MakeCallSteps(gate_)};
  SharedRegions regions_{RegionKinds{}};
  const CallEnvironment environment_{converter_, models_, memory_.pool, chain_, regions_, {.max_tensor_bytes = 1 << 20},
                                     1 << 20};
  v1::ConvertRequest request_;
};

// What protobuf's parser made may be many times as large as the message, and is not counted: nothing of it may wait.
TEST_F(IntakeForBatches, LeavesElementsInMessagesAloneThatWereReadInPlace) {
  const Decoded decoded(request_);
  for (const bool parsed : {false, true}) {
    const auto intake = Intake::Start(decoded.request(), {.parsed = parsed}, environment_, /*peer=*/nullptr);
    ASSERT_THAT(intake, IsOk());
    EXPECT_EQ(intake->needs_message(), !parsed);
    EXPECT_EQ(memory_.budget.used(), kBytes) << "which are counted in either case";
  }
}

// Each of them takes four bytes, and many times that where a model gets a list of them.
TEST_F(IntakeForBatches, CountsWhatAModelMakesOfStrings) {
  models_.model->has_batches = false;
  const auto take_in = [&](std::int64_t count) {
    const std::string raw(4 * static_cast<std::size_t>(count), '\0');
    const Bytes piece = std::as_bytes(std::span(raw));
    RequestView view;
    view.model_name = "model";
    view.arrays.push_back({.name = "x", .dtype = {}, .shape = {count}, .payload = PayloadKind::kData});
    view.arrays[0].bytes = ScatteredBytes(&piece, 0, piece.size());
    view.arrays[0].strings = true;
    const auto intake = Intake::Start(view, {}, environment_, /*peer=*/nullptr);
    if (intake.ok()) {
      EXPECT_GE(memory_.budget.used(), raw.size() + 100 * static_cast<std::size_t>(count));
    }
    return intake.status();
  };
  EXPECT_THAT(take_in(1000), IsOk());
  EXPECT_EQ(memory_.budget.used(), 0u) << "and no longer than the request is there";
  EXPECT_THAT(take_in(200'000), Fails(Reason::kTensorTooLarge));
}

}  // namespace
}  // namespace tensorferry::rpc
