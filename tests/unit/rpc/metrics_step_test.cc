#include "rpc/metrics_step.h"

#include <gmock/gmock.h>

#include <array>
#include <chrono>

#include "base/status.h"
#include "grpc/health/v1/health.pb.h"
#include "rpc/access_rules.h"
#include "rpc/call_steps.h"
#include "rpc/serve/method.h"
#include "testing/series.h"
#include "testing/waiting_caller.h"

namespace tensorferry::rpc {
namespace {

using metrics::Labels;
using std::chrono::microseconds;
using testing::Optional;

const google::protobuf::MethodDescriptor& MethodNamed(const char* name) {
  return *google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(name);
}

// MetricsStepTest sends requests through the real chain, whose gate it can close.
class MetricsStepTest : public testing::Test {
 protected:
  CallInfo Call(const char* method, CallKind kind = CallKind::kTensors) { return {MethodNamed(method), caller_, kind}; }
  std::optional<double> Value(std::string_view name, Labels labels) const {
    return ValueOf(FamiliesOf(*counts_), name, std::move(labels));
  }
  std::optional<double> Handled(const char* type, const char* service, const char* method, const char* code) const {
    return Value("grpc_server_handled_total",
                 {{"grpc_type", type}, {"grpc_service", service}, {"grpc_method", method}, {"grpc_code", code}});
  }
  std::uint64_t Observations(const char* stage) const {
    const auto families = FamiliesOf(*counts_);
    return FindSeries(families, "tensorferry_stage_duration_seconds", {{"stage", stage}})->histogram.sample_count;
  }

  static constexpr const char* kConvert = "tensorferry.v1.TensorService.Convert";
  static constexpr const char* kService = "tensorferry.v1.TensorService";

  WaitingCaller caller_;
  CallGate gate_;
  const std::unique_ptr<metrics::RequestCounts> counts_ = MakeRequestCounts();
  const CallChain chain_{MakeCallSteps(gate_, nullptr, {.counts = counts_.get()})};
};

TEST_F(MetricsStepTest, CountsEveryMethodThereIs) {
  for (const AccessRule& rule : AccessRules()) {
    const std::string name(rule.method);
    Admission(chain_, Call(name.c_str(), CallKind::kManagement)).Finish(absl::OkStatus());
  }
  std::size_t started = 0;
  for (const prometheus::MetricFamily& family : FamiliesOf(*counts_)) {
    if (family.name != "grpc_server_started_total") continue;
    for (const prometheus::ClientMetric& series : family.metric) {
      EXPECT_EQ(series.counter.value, 1) << series.label[2].value;
      ++started;
    }
  }
  EXPECT_EQ(started, AccessRules().size());
  EXPECT_THAT(Handled("server_stream", "grpc.health.v1.Health", "Watch", "OK"), Optional(1));
  EXPECT_THAT(Handled("bidi_stream", kService, "ConvertStream", "OK"), Optional(1));
}

TEST_F(MetricsStepTest, CountsARequestThatAnotherStepRefuses) {
  gate_.Close();
  Admission admission(chain_, Call(kConvert));
  admission.Finish(admission.status());
  EXPECT_THAT(Value("grpc_server_started_total",
                    {{"grpc_type", "unary"}, {"grpc_service", kService}, {"grpc_method", "Convert"}}),
              Optional(1));
  EXPECT_THAT(Handled("unary", kService, "Convert", "Unavailable"), Optional(1));
  EXPECT_THAT(Value("tensorferry_rejected_total", {{"reason", "DRAINING"}}), Optional(1));
  EXPECT_EQ(Observations("receive"), 0u);
}

TEST_F(MetricsStepTest, CountsWhatTheRecordTells) {
  Admission admission(chain_, Call(kConvert));
  CallRecord& record = admission.record();
  const std::array<ReceivedTensor, 2> tensors{{{DType::kInt16, true, 2000}, {DType::kBFloat16, false, 8}}};
  record.tensors = tensors;
  record.messages_in = 3;
  record.messages_out = 1;
  record.bytes_in = 2100;
  record.bytes_out = 90;
  record.element_bytes_out = 16;
  record.receive = microseconds(5);
  admission.Finish(absl::OkStatus());
  const Labels convert{{"grpc_type", "unary"}, {"grpc_service", kService}, {"grpc_method", "Convert"}};
  EXPECT_THAT(Value("grpc_server_msg_received_total", convert), Optional(3));
  EXPECT_THAT(Value("grpc_server_msg_sent_total", convert), Optional(1));
  EXPECT_THAT(Value("tensorferry_message_bytes_total", {{"direction", "in"}}), Optional(2100));
  EXPECT_THAT(Value("tensorferry_message_bytes_total", {{"direction", "out"}}), Optional(90));
  EXPECT_THAT(Value("tensorferry_tensor_bytes_total", {{"direction", "in"}}), Optional(2008));
  EXPECT_THAT(Value("tensorferry_tensor_bytes_total", {{"direction", "out"}}), Optional(16));
  EXPECT_THAT(Value("tensorferry_tensors_total", {{"dtype", "int16"}, {"outcome", "equal"}}), Optional(1));
  EXPECT_THAT(Value("tensorferry_tensors_total", {{"dtype", "bfloat16"}, {"outcome", "mismatch"}}), Optional(1));
  EXPECT_THAT(Value("tensorferry_dtype_mismatch_total", {}), Optional(1));
  EXPECT_EQ(Observations("receive"), 1u);
  EXPECT_EQ(Observations("queue"), 0u);
}

TEST_F(MetricsStepTest, HasTheStagesOfAModelForItsRequestsAlone) {
  Admission admission(chain_, Call(kConvert));
  admission.record().model = "m";
  admission.Finish(absl::OkStatus());
  Admission failed(chain_, Call(kConvert));
  failed.record().model = "m";
  failed.Finish(MakeError(Reason::kModelFailed, "it failed"));
  for (const char* const stage : {"receive", "convert", "queue", "compute"}) EXPECT_EQ(Observations(stage), 1u);
  EXPECT_THAT(Value("tensorferry_rejected_total", {{"reason", "MODEL_FAILED"}}), Optional(1));
}

TEST_F(MetricsStepTest, HasTheStageSendForWellAnsweredArraysThatWereSent) {
  Admission(chain_, Call(kConvert)).Finish(absl::OkStatus()).Finish(/*sent=*/true);
  EXPECT_EQ(Observations("send"), 1u);
  Admission(chain_, Call(kConvert)).Finish(absl::OkStatus()).Finish(/*sent=*/false);
  Admission(chain_, Call(kConvert)).Finish(absl::OkStatus());
  Admission(chain_, Call(kConvert)).Finish(MakeError(Reason::kBadShape, "it is negative")).Finish(/*sent=*/true);
  Admission(chain_, Call(kConvert, CallKind::kManagement)).Finish(absl::OkStatus()).Finish(/*sent=*/true);
  EXPECT_EQ(Observations("send"), 1u);
}

TEST_F(MetricsStepTest, CountsAnErrorWithoutAReason) {
  Admission(chain_, Call(kConvert)).Finish(absl::UnknownError("a library's words"));
  EXPECT_THAT(Value("tensorferry_rejected_total", {{"reason", "INTERNAL"}}), Optional(1));
  EXPECT_THAT(Handled("unary", kService, "Convert", "Unknown"), Optional(1));
}

}  // namespace
}  // namespace tensorferry::rpc
