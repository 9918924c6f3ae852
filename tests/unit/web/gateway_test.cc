#include "web/gateway.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <future>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "http/cancellation.h"
#include "rpc/serve/call_slots.h"
#include "testing/byte_buffers.h"
#include "testing/health_check.h"

namespace tensorferry::web {
namespace {

using rpc::CallSlots;
using rpc::UnaryCall;
using testing::HasSubstr;

constexpr char kPath[] = "/grpc.health.v1.Health/Check";

// A method whose calls end when `go_on_` completes, or at once if it is complete.
class GatewayTest : public testing::Test {
 protected:
  GatewayTest() {
    methods_.Serve(HealthCheck(),
                   [this](CallSlots& slots, std::unique_ptr<UnaryCall> call) { Serve(slots, std::move(call)); });
  }
  ~GatewayTest() override {
    gateway_.reset();
    if (!go_on_.complete()) go_on_.Complete(true);
    methods_.Close();
    live_.WaitForNone();
  }

  rpc::Detached Serve(CallSlots& slots, std::unique_ptr<UnaryCall> made) {
    CallSlots::Slot slot(slots);
    const std::unique_ptr<UnaryCall> call = std::move(made);
    grpc::ByteBuffer request;
    while (co_await call->Next(request)) {
      slot.Arrived();
      const std::string text = Concatenated(request);
      co_await go_on_;
      still_waits_ = call->CheckCaller().ok();
      call->AddToAnswer("traceresponse", "a trace");
      call->Finish(grpc::Status::OK, ToBytes(text));
      co_await call->done;
      slot.WaitAgain();
    }
  }

  std::future<grpc::Status> Call(const http::Request& from) {
    const auto status = std::make_shared<std::promise<grpc::Status>>();
    gateway_->Call(kPath, from, ToBytes("text"), [status](const rpc::LocalAnswer& answer) {
      status->set_value(answer.status);  // Throws if it is called twice.
    });
    return status->get_future();
  }

  rpc::LiveCoroutines live_;
  rpc::LocalMethods methods_{live_};
  rpc::Operation go_on_;
  bool still_waits_ = false;
  std::unique_ptr<Gateway> gateway_ =
      std::make_unique<Gateway>(methods_, grpc::CreateChannel("unix:none", grpc::InsecureChannelCredentials()));
};

TEST_F(GatewayTest, AnswersWithWhatIsMadeOfTheEnd) {
  std::vector<http::Response> responses;
  gateway_->Call(
      kPath, {}, ToBytes("text"),
      ReplyWith([&](http::Response response) { responses.push_back(std::move(response)); },
                [](const rpc::LocalAnswer& end) { return http::Response{.body = Concatenated(end.message)}; }));
  ASSERT_EQ(responses.size(), 1u) << "the call waits for nothing";
  EXPECT_EQ(responses[0].body, "text");
  ASSERT_EQ(responses[0].fields.size(), 1u);
  EXPECT_EQ(responses[0].fields[0].name, "traceresponse");
  EXPECT_EQ(responses[0].fields[0].value, "a trace");
}

TEST_F(GatewayTest, AnswersAlsoIfNoAnswerCanBeMade) {
  std::vector<http::Response> responses;
  gateway_->Call(kPath, {}, ToBytes("text"),
                 ReplyWith([&](http::Response response) { responses.push_back(std::move(response)); },
                           [](const rpc::LocalAnswer&) -> http::Response { throw std::bad_alloc(); }));
  ASSERT_EQ(responses.size(), 1u);
  EXPECT_EQ(responses[0].status, 500u);
}

TEST_F(GatewayTest, AnswersAtTheDeadlineThoughTheCallGoesOn) {
  go_on_.Start();
  const grpc::Status status = Call({.fields = {{"Grpc-Timeout", "1m"}}}).get();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  go_on_.Complete(true);
  EXPECT_FALSE(still_waits_);
}

TEST_F(GatewayTest, CancelsTheCallOfAPeerThatGoesAway) {
  go_on_.Start();
  const auto cancellation = std::make_shared<http::Cancellation>();
  auto status = Call({.cancellation = cancellation});
  cancellation->Tell();
  EXPECT_EQ(status.get().error_code(), grpc::StatusCode::CANCELLED);
  go_on_.Complete(true);
  EXPECT_FALSE(still_waits_);
}

TEST_F(GatewayTest, ForgetsThePeerOfACallThatHasEnded) {
  const auto cancellation = std::make_shared<http::Cancellation>();
  EXPECT_TRUE(Call({.cancellation = cancellation}).get().ok());
  gateway_.reset();
  cancellation->Tell();  // Must not touch the gateway.
}

TEST_F(GatewayTest, AnswersWhatHasNotEndedWhenItIsDestroyed) {
  go_on_.Start();
  auto one = Call({});
  gateway_.reset();
  const grpc::Status status = one.get();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_THAT(status.error_message(), HasSubstr("stops"));
}

}  // namespace
}  // namespace tensorferry::web
