#include "rpc/health_service.h"

#include <gmock/gmock.h>

#include "testing/in_process_server.h"
#include "testing/test_memory.h"

namespace tensorferry::rpc {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

class HealthServiceTest : public testing::Test {
 protected:
  static HealthCheckRequest RequestFor(const std::string& name) {
    HealthCheckRequest request;
    request.set_service(name);
    return request;
  }

  // Check returns the service's answer, and SERVICE_UNKNOWN if it fails with NOT_FOUND.
  HealthCheckResponse::ServingStatus Check(const std::string& name) {
    grpc::ClientContext context;
    HealthCheckResponse response;
    const grpc::Status status = stub_->Check(&context, RequestFor(name), &response);
    if (status.error_code() == grpc::StatusCode::NOT_FOUND) return HealthCheckResponse::SERVICE_UNKNOWN;
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.status();
  }

  LiveCoroutines live_;
  const CallChain chain_{CallChain::Steps()};
  WorkerPool copiers_{1};
  WaitLimit waits_{std::chrono::milliseconds(0)};
  OpenStreams streams_;
  TestMemory memory_;
  LocalMethods local_{live_};
  HealthService health_{{live_, chain_, copiers_, waits_, streams_, memory_.pool, local_}};
  InProcessServer server_{live_, health_};
  std::unique_ptr<Health::Stub> stub_ = Health::NewStub(server_.channel());
};

TEST_F(HealthServiceTest, SaysWhatWasSet) {
  EXPECT_EQ(Check("a"), HealthCheckResponse::SERVICE_UNKNOWN);
  health_.Set("a", false);
  health_.Set("b", true);
  EXPECT_EQ(Check("a"), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(Check("b"), HealthCheckResponse::SERVING);
  health_.Set("a", true);
  EXPECT_EQ(Check("a"), HealthCheckResponse::SERVING);
}

TEST_F(HealthServiceTest, ForgetsANameAsIfItWereNeverSet) {
  health_.Set("a", true);
  health_.Forget("a");
  health_.Forget("b");
  EXPECT_EQ(Check("a"), HealthCheckResponse::SERVICE_UNKNOWN);
  EXPECT_EQ(Check("b"), HealthCheckResponse::SERVICE_UNKNOWN);
  health_.SetAllNotServing();
  EXPECT_EQ(Check("a"), HealthCheckResponse::SERVICE_UNKNOWN);
}

TEST_F(HealthServiceTest, NeverServesAgainAfterSetAllNotServing) {
  health_.Set("a", true);
  health_.SetAllNotServing();
  health_.Set("a", true);
  health_.Set("b", true);
  EXPECT_EQ(Check("a"), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(Check("b"), HealthCheckResponse::NOT_SERVING);
}

TEST_F(HealthServiceTest, TellsAWatcherEveryChangeOnce) {
  grpc::ClientContext context;
  const auto watch = stub_->Watch(&context, RequestFor("a"));
  HealthCheckResponse response;
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVICE_UNKNOWN);
  health_.Set("a", true);
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  health_.Set("a", true);  // Without a change nobody is told.
  health_.Set("b", false);
  health_.SetAllNotServing();
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  context.TryCancel();
  EXPECT_FALSE(watch->Read(&response));
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(HealthServiceTest, ServesAsManyWatchersAsCome) {
  constexpr int kWatchers = 50;  // More than wait at the start.
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<HealthCheckResponse>>> watches;
  HealthCheckResponse response;
  for (int i = 0; i < kWatchers; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    watches.push_back(stub_->Watch(contexts.back().get(), RequestFor("a")));
    ASSERT_TRUE(watches.back()->Read(&response));
  }
  health_.Set("a", true);
  for (const auto& watch : watches) {
    ASSERT_TRUE(watch->Read(&response));
    EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  }
  for (const auto& context : contexts) context->TryCancel();
  for (const auto& watch : watches) {
    while (watch->Read(&response)) continue;
    EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
}

}  // namespace
}  // namespace tensorferry::rpc
