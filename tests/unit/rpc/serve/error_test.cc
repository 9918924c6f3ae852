#include "rpc/serve/error.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "base/status.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "rpc/serve/log_limit.h"
#include "testing/captured_log.h"

namespace tensorferry::rpc {
namespace {

using testing::HasSubstr;
using testing::Not;

google::rpc::Status DetailsOf(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  return details;
}

TEST(ToGrpcStatus, CarriesErrorInfo) {
  const grpc::Status status = ToGrpcStatus(
      InArray("x", MakeError(Reason::kSizeMismatch, "needs 24 bytes, got 23", {.expected = "24", .actual = "23"})));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "array 'x': needs 24 bytes, got 23");
  const google::rpc::Status details = DetailsOf(status);
  EXPECT_EQ(details.code(), 3);
  ASSERT_EQ(details.details_size(), 1);
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(details.details(0).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "SIZE_MISMATCH");
  EXPECT_EQ(info.domain(), "tensorferry");
  EXPECT_EQ(info.metadata().at("array"), "x");
  EXPECT_EQ(info.metadata().at("expected"), "24");
  EXPECT_EQ(info.metadata().at("actual"), "23");
}

TEST(ToGrpcStatus, CarriesRetryInfoWhereARetryHelps) {
  const auto status =
      ToGrpcStatus(MakeError(Reason::kMemoryBudget, "full", {.retry_after = std::chrono::milliseconds(1500)}));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  google::rpc::RetryInfo retry;
  ASSERT_TRUE(DetailsOf(status).details(1).UnpackTo(&retry));
  EXPECT_EQ(retry.retry_delay().seconds(), 1);
  EXPECT_EQ(retry.retry_delay().nanos(), 500'000'000);
}

TEST(ToGrpcStatus, HasACodeForEveryReason) {
  for (const ReasonInfo& row : kReasons) {
    EXPECT_EQ(static_cast<int>(ToGrpcStatus(MakeError(row.reason, "x")).error_code()), static_cast<int>(row.code));
  }
}

TEST(ToGrpcStatus, FitsTheTrailersWhateverItHolds) {
  const std::string huge(100'000, '\n');
  const auto status = ToGrpcStatus(InArray(
      std::string(256, 'n'),
      MakeError(Reason::kInputMismatch, huge, {.field = huge, .expected = huge, .actual = huge, .limit = huge})));
  EXPECT_LT(status.error_message().size() + status.error_details().size(), 6 * 1024u);
  EXPECT_THAT(status.error_message(), Not(HasSubstr("\n")));
}

TEST(ToGrpcStatus, KeepsUtf8AndNothingBroken) {
  const std::string name =
      "gr\xc3\xb6\xc3\x9f"
      "e";
  const auto status = ToGrpcStatus(InArray(name, MakeError(Reason::kInputMismatch, "is not \xff\x1b[31m")));
  EXPECT_EQ(status.error_message(), "array '" + name + "': is not ??[31m");
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(DetailsOf(status).details(0).UnpackTo(&info));
  EXPECT_EQ(info.metadata().at("array"), name);
}

// Trailers carry the message percent-encoded, so that each byte that is not ASCII takes three, and the details in base64.
TEST(ToGrpcStatus, FitsTheTrailersWhateverTheLanguage) {
  std::string huge;
  for (int i = 0; i < 50'000; ++i) huge += "\xe2\x82\xac";
  const auto status = ToGrpcStatus(InArray(
      huge, MakeError(Reason::kInputMismatch, huge, {.field = huge, .expected = huge, .actual = huge, .limit = huge})));
  EXPECT_LT(status.error_message().size() * 3 + status.error_details().size() * 4 / 3, 7 * 1024u);
}

TEST(ToGrpcStatus, KeepsALibrarysWordsToTheLog) {
  const absl::Status error = MakeError(Reason::kModelFailed, "the model failed", {.log_text = "/srv/secret"});
  EXPECT_THAT(ToGrpcStatus(error).error_details(), Not(HasSubstr("/srv")));
}

class LogErrorTest : public testing::Test {
 protected:
  // Logged returns the line that LogError writes at the level warning.
  std::string Logged(const absl::Status& error) {
    LogError("Convert", error);
    std::vector<std::string> lines = log_.Take();
    return lines.size() == 1 ? lines.front() : "no line, or several";
  }

  CapturedLog log_;
};

TEST_F(LogErrorTest, EndsWithTheLibrarysWordsWhereThereAreAny) {
  EXPECT_EQ(Logged(MakeError(Reason::kModelFailed, "the model failed", {.log_text = "/srv/secret"})),
            "Convert: MODEL_FAILED: the model failed /srv/secret");
  EXPECT_EQ(Logged(MakeError(Reason::kModelFailed, "the model failed")), "Convert: MODEL_FAILED: the model failed");
}

TEST_F(LogErrorTest, TellsRefusalsAtTheLevelDebugAlone) {
  LogError("Convert", MakeError(Reason::kBadDtype, "no dtype"));
  EXPECT_THAT(log_.Take(), testing::IsEmpty());
  EXPECT_EQ(FinalStatus("Convert", MakeError(Reason::kBadDtype, "no dtype")).error_message(), "no dtype");
  EXPECT_THAT(log_.Take(), testing::IsEmpty());
}

TEST_F(LogErrorTest, IsWhatEndsACallWithAnError) {
  EXPECT_TRUE(FinalStatus("Convert", absl::OkStatus()).ok());
  EXPECT_THAT(log_.Take(), testing::IsEmpty());
  EXPECT_EQ(FinalStatus("Convert", MakeError(Reason::kInternal, "internal error")).error_code(),
            grpc::StatusCode::INTERNAL);
  EXPECT_THAT(log_.Take(), testing::ElementsAre("Convert: INTERNAL: internal error"));
}

// Callers decide how often a model fails.
TEST_F(LogErrorTest, WarnsOfFailuresWithinALimit) {
  for (int i = 0; i < 1000; ++i) LogError("Convert", MakeError(Reason::kModelFailed, "the model failed"));
  EXPECT_THAT(log_.Take(), testing::SizeIs(testing::Le(2 * LogLimit::kMostInAnInterval)));  // An interval may begin.
}

}  // namespace
}  // namespace tensorferry::rpc
