#include "rpc/serve/call_chain.h"

#include <gmock/gmock.h>

#include <string>
#include <utility>

#include "grpc/health/v1/health.pb.h"
#include "rpc/serve/gate_step.h"
#include "rpc/serve/log_step.h"
#include "rpc/serve/method.h"
#include "testing/captured_log.h"
#include "testing/health_check.h"
#include "testing/status_matchers.h"
#include "testing/waiting_caller.h"

namespace tensorferry::rpc {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// RecordingStep records what is called.
class RecordingStep final : public CallStep {
 public:
  RecordingStep(std::string name, bool refuses, std::string& record)
      : name_(std::move(name)), refuses_(refuses), record_(record) {}

  absl::Status Enter(CallInfo&) const override {
    record_ += "enter " + name_ + ", ";
    return refuses_ ? MakeError(Reason::kPermissionDenied, "refused by " + name_) : absl::OkStatus();
  }
  void End(const CallInfo&, const absl::Status& status) const override {
    record_ += "end " + name_ + (status.ok() ? ", " : " with an error, ");
  }

 private:
  const std::string name_;
  const bool refuses_;
  std::string& record_;
};

class CallChainTest : public testing::Test {
 protected:
  CallInfo Info(CallKind kind) { return {HealthCheck(), caller_, kind}; }
  CallChain ChainOf(const std::vector<std::string>& names, const std::string& refusing) {
    CallChain::Steps steps;
    for (const std::string& name : names) {
      steps.push_back(std::make_unique<RecordingStep>(name, name == refusing, record_));
    }
    return CallChain(std::move(steps));
  }

  std::string record_;
  WaitingCaller caller_;
};

TEST_F(CallChainTest, GoesThroughItsStepsInOrder) {
  const CallChain chain = ChainOf({"a", "b"}, "");
  Admission admission(chain, Info(CallKind::kTensors));
  EXPECT_THAT(admission.status(), IsOk());
  admission.Finish(absl::OkStatus());
  EXPECT_EQ(record_, "enter a, enter b, end a, end b, ");
}

TEST_F(CallChainTest, EntersNoStepBehindOneThatRefusesAndEndsAll) {
  const CallChain chain = ChainOf({"a", "b", "c"}, "b");
  Admission admission(chain, Info(CallKind::kTensors));
  EXPECT_THAT(admission.status(), Fails(Reason::kPermissionDenied, "refused by b"));
  admission.Finish(admission.status());
  EXPECT_EQ(record_, "enter a, enter b, end a with an error, end b with an error, end c with an error, ");
}

TEST_F(CallChainTest, EndsWhatWasLeftIncompleteOnce) {
  const CallChain chain = ChainOf({"a"}, "");
  {
    Admission admission(chain, Info(CallKind::kTensors));
    const Admission moved(std::move(admission));
  }
  EXPECT_EQ(record_, "enter a, end a with an error, ");
}

// SendingStep records what it is told of answers.
class SendingStep final : public CallStep {
 public:
  explicit SendingStep(std::string& record) : record_(record) {}
  void Sent(const SentAnswer& answer) const override {
    record_ += answer.ok ? "answer " : "refusal ";
    record_ += answer.duration ? "sent, " : "given up, ";
  }

 private:
  std::string& record_;
};

TEST_F(CallChainTest, TellsOnceWhetherAnAnswerWasSent) {
  CallChain::Steps steps;
  steps.push_back(std::make_unique<SendingStep>(record_));
  const CallChain chain(std::move(steps));
  {
    Sending sending = Admission(chain, Info(CallKind::kTensors)).Finish(absl::OkStatus());
    EXPECT_EQ(record_, "");
    Sending moved = std::move(sending);
    moved.Finish(/*sent=*/true);
    moved.Finish(/*sent=*/true);
  }
  EXPECT_EQ(std::exchange(record_, ""), "answer sent, ");
  Sending kept = Admission(chain, Info(CallKind::kTensors)).Finish(MakeError(Reason::kBadShape, "it is negative"));
  kept = Admission(chain, Info(CallKind::kTensors)).Finish(absl::OkStatus());
  EXPECT_EQ(std::exchange(record_, ""), "refusal given up, ");
  kept = Sending();
  EXPECT_EQ(record_, "answer given up, ");
}

TEST_F(CallChainTest, HoldsThePassOfTheGateUntilTheAnswerIsSent) {
  CallGate gate;
  CallChain::Steps steps;
  steps.push_back(std::make_unique<GateStep>(gate));
  const CallChain chain(std::move(steps));
  const auto idle = [&gate] { return gate.WaitUntilIdle(std::chrono::steady_clock::now()); };
  {
    Admission admission(chain, Info(CallKind::kTensors));
    admission.Finish(absl::OkStatus());
    EXPECT_FALSE(idle());
    {
      const auto pass = admission.TakePass();
      EXPECT_FALSE(idle());
    }
    EXPECT_TRUE(idle());
    const Admission dropped(chain, Info(CallKind::kTensors));
    EXPECT_FALSE(idle());
  }
  EXPECT_TRUE(idle());
}

TEST_F(CallChainTest, RefusesTensorsAloneOnceTheGateIsClosed) {
  CallGate gate;
  gate.Close();
  CallChain::Steps steps;
  steps.push_back(std::make_unique<GateStep>(gate));
  const CallChain chain(std::move(steps));
  EXPECT_THAT(Admission(chain, Info(CallKind::kTensors)).status(), Fails(Reason::kDraining));
  EXPECT_THAT(Admission(chain, Info(CallKind::kManagement)).status(), IsOk());
}

TEST_F(CallChainTest, LogsErrorsUnderTheNameOfTheMethod) {
  CallChain::Steps steps;
  steps.push_back(std::make_unique<LogStep>());
  const CallChain chain(std::move(steps));
  CapturedLog log;
  Admission(chain, Info(CallKind::kManagement)).Finish(absl::OkStatus());
  EXPECT_THAT(log.Take(), IsEmpty());
  Admission(chain, Info(CallKind::kManagement)).Finish(MakeError(Reason::kModelFailed, "it failed"));
  EXPECT_THAT(log.Take(), ElementsAre(HasSubstr("Check: MODEL_FAILED: it failed")));
}

TEST(FindMethod, FindsAMethodByItsMessages) {
  EXPECT_EQ(HealthCheck().full_name(), "grpc.health.v1.Health.Check");
  EXPECT_EQ(FindMethod(*HealthCheckRequest::descriptor(), *HealthCheckResponse::descriptor(), Streams::kResponses)
                .full_name(),
            "grpc.health.v1.Health.Watch");
  EXPECT_THROW(FindMethod(*HealthCheckResponse::descriptor(), *HealthCheckRequest::descriptor(), Streams::kNone),
               std::logic_error);
}

}  // namespace
}  // namespace tensorferry::rpc
