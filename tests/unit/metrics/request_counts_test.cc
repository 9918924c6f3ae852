#include "metrics/request_counts.h"

#include <gmock/gmock.h>

#include <thread>
#include <vector>

#include "testing/series.h"

namespace tensorferry::metrics {
namespace {

using std::chrono::microseconds;
using testing::DoubleEq;
using testing::Optional;

const Labels kConvert{{"grpc_type", "unary"}, {"grpc_service", "s.v1.S"}, {"grpc_method", "Convert"}};

Labels With(Labels labels, const std::string& name, const std::string& value) {
  labels.push_back({name, value});
  return labels;
}

class RequestCountsTest : public testing::Test {
 protected:
  std::optional<double> Value(std::string_view name, Labels labels) const {
    return ValueOf(FamiliesOf(counts_), name, std::move(labels));
  }

  RequestCounts counts_{{{"s.v1.S", "Check", "unary"}, {"s.v1.S", "Convert", "unary"}}};
};

TEST_F(RequestCountsTest, HasEverySeriesFromTheStart) {
  std::size_t series = 0;
  for (const prometheus::MetricFamily& family : FamiliesOf(counts_)) series += family.metric.size();
  counts_.Start(1);
  counts_.OnThisThread().End(1, absl::StatusCode::kNotFound, microseconds(1));
  counts_.OnThisThread().Refusal(Reason::kModelNotFound);
  counts_.OnThisThread().Tensor(DType::kInt8, true, 1);
  std::size_t afterwards = 0;
  for (const prometheus::MetricFamily& family : FamiliesOf(counts_)) afterwards += family.metric.size();
  EXPECT_EQ(afterwards, series);
  EXPECT_THAT(Value("grpc_server_handled_total", With(kConvert, "grpc_code", "OK")), Optional(0));
}

TEST_F(RequestCountsTest, CountsRequestsByMethodAndCode) {
  counts_.Start(1);
  counts_.Start(1);
  counts_.OnThisThread().End(1, absl::StatusCode::kOk, microseconds(60));
  counts_.OnThisThread().End(1, absl::StatusCode::kInvalidArgument, microseconds(10));
  counts_.OnThisThread().Messages(1, 3, 2);
  EXPECT_THAT(Value("grpc_server_started_total", kConvert), Optional(2));
  EXPECT_THAT(Value("grpc_server_handled_total", With(kConvert, "grpc_code", "OK")), Optional(1));
  EXPECT_THAT(Value("grpc_server_handled_total", With(kConvert, "grpc_code", "InvalidArgument")), Optional(1));
  EXPECT_THAT(Value("grpc_server_handled_total", With(kConvert, "grpc_code", "Unauthenticated")), Optional(0));
  EXPECT_THAT(Value("grpc_server_msg_received_total", kConvert), Optional(3));
  EXPECT_THAT(Value("grpc_server_msg_sent_total", kConvert), Optional(2));

  const auto families = FamiliesOf(counts_);
  const auto& seconds = FindSeries(families, "grpc_server_handling_seconds", kConvert)->histogram;
  EXPECT_EQ(seconds.sample_count, 2u);
  EXPECT_THAT(seconds.sample_sum, DoubleEq(70e-6));
  EXPECT_THAT(seconds.bucket[0].upper_bound, DoubleEq(25e-6));
  EXPECT_EQ(seconds.bucket[0].cumulative_count, 1u);
  EXPECT_EQ(seconds.bucket[1].cumulative_count, 1u);
  EXPECT_THAT(seconds.bucket[2].upper_bound, DoubleEq(100e-6));
  EXPECT_EQ(seconds.bucket[2].cumulative_count, 2u);
}

TEST_F(RequestCountsTest, CountsReasonsAndThoseOfIdentityTwice) {
  counts_.OnThisThread().Refusal(Reason::kBadShape);
  counts_.OnThisThread().Refusal(Reason::kUnauthenticated);
  EXPECT_THAT(Value("tensorferry_rejected_total", {{"reason", "BAD_SHAPE"}}), Optional(1));
  EXPECT_THAT(Value("tensorferry_rejected_total", {{"reason", "UNAUTHENTICATED"}}), Optional(1));
  EXPECT_THAT(Value("tensorferry_auth_failures_total", {{"reason", "UNAUTHENTICATED"}}), Optional(1));
  EXPECT_THAT(Value("tensorferry_auth_failures_total", {{"reason", "PERMISSION_DENIED"}}), Optional(0));
  EXPECT_EQ(Value("tensorferry_auth_failures_total", {{"reason", "BAD_SHAPE"}}), std::nullopt);
}

TEST_F(RequestCountsTest, TellsTensorsWhoseDtypeIsNotTheArrays) {
  counts_.OnThisThread().Tensor(DType::kFloat32, true, 4096);
  counts_.OnThisThread().Tensor(DType::kFloat32, false, 4);
  EXPECT_THAT(Value("tensorferry_tensors_total", {{"dtype", "float32"}, {"outcome", "equal"}}), Optional(1));
  EXPECT_THAT(Value("tensorferry_tensors_total", {{"dtype", "float32"}, {"outcome", "mismatch"}}), Optional(1));
  EXPECT_THAT(Value("tensorferry_dtype_mismatch_total", {}), Optional(1));
  EXPECT_THAT(Value("tensorferry_tensor_bytes_total", {{"direction", "in"}}), Optional(4100));
  const auto families = FamiliesOf(counts_);
  EXPECT_EQ(FindSeries(families, "tensorferry_tensor_size_bytes", {})->histogram.bucket[1].cumulative_count, 2u);
}

TEST_F(RequestCountsTest, CountsBytesAndStages) {
  counts_.OnThisThread().Bytes(10, 20);
  counts_.OnThisThread().SentElements(30);
  counts_.OnThisThread().SpentIn(Stage::kQueue, microseconds(3));
  EXPECT_THAT(Value("tensorferry_message_bytes_total", {{"direction", "in"}}), Optional(10));
  EXPECT_THAT(Value("tensorferry_message_bytes_total", {{"direction", "out"}}), Optional(20));
  EXPECT_THAT(Value("tensorferry_tensor_bytes_total", {{"direction", "out"}}), Optional(30));
  const auto families = FamiliesOf(counts_);
  const Labels queue{{"stage", "queue"}};
  EXPECT_EQ(FindSeries(families, "tensorferry_stage_duration_seconds", queue)->histogram.sample_count, 1u);
  EXPECT_EQ(FindSeries(families, "tensorferry_stage_duration_seconds", queue)->histogram.bucket[0].cumulative_count,
            0u);
  EXPECT_EQ(FindSeries(families, "tensorferry_stage_duration_seconds", queue)->histogram.bucket[1].cumulative_count,
            1u);
}

// More threads than shards count at once, and scrapes run beside them.
TEST_F(RequestCountsTest, MissesNothingThatThreadsCountAtOnce) {
  constexpr int kThreads = 40;
  constexpr int kTimes = 2'000;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([this] {
      for (int j = 0; j < kTimes; ++j) {
        counts_.Start(0);
        counts_.OnThisThread().End(0, absl::StatusCode::kOk, microseconds(1));
      }
    });
  }
  const Labels check{{"grpc_type", "unary"}, {"grpc_service", "s.v1.S"}, {"grpc_method", "Check"}};
  for (int i = 0; i < 20; ++i) {
    const auto families = FamiliesOf(counts_);
    EXPECT_LE(*ValueOf(families, "grpc_server_handled_total", With(check, "grpc_code", "OK")),
              *ValueOf(families, "grpc_server_started_total", check));
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(Value("grpc_server_started_total", check), Optional(kThreads * kTimes));
  EXPECT_THAT(Value("grpc_server_handled_total", With(check, "grpc_code", "OK")), Optional(kThreads * kTimes));
}

}  // namespace
}  // namespace tensorferry::metrics
