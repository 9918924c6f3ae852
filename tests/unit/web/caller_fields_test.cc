#include "web/caller_fields.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tensorferry::web {
namespace {

using std::chrono::nanoseconds;

TEST(GrpcTimeout, HasAUnit) {
  EXPECT_EQ(ParseGrpcTimeout("2H"), std::chrono::hours(2));
  EXPECT_EQ(ParseGrpcTimeout("2M"), std::chrono::minutes(2));
  EXPECT_EQ(ParseGrpcTimeout("2S"), std::chrono::seconds(2));
  EXPECT_EQ(ParseGrpcTimeout("99999999m"), std::chrono::milliseconds(99'999'999));
  EXPECT_EQ(ParseGrpcTimeout("0u"), nanoseconds(0));
  EXPECT_EQ(ParseGrpcTimeout("2n"), nanoseconds(2));
}

TEST(GrpcTimeout, IsNothingElse) {
  for (const std::string text : {"", "S", "1", "1s", "-1S", "1.5S", "100000000S", "1S ", " 1S", "0x1S"}) {
    EXPECT_EQ(ParseGrpcTimeout(text), std::nullopt) << text;
  }
}

TEST(CallerOf, SaysWhoAsks) {
  const std::string body = "12345";
  const http::Request request{
      .fields = {{"Authorization", "Bearer t"}, {"X-Request-Id", "\x01"}, {"Other", "field"}, {"grpc-timeout", "1H"}},
      .body = body,
      .peer = "192.0.2.1:7",
      .certificate = "name"};
  const auto before = std::chrono::system_clock::now();
  const auto caller = CallerOf(request, 10);
  EXPECT_EQ(caller->metadata, (rpc::LocalMetadata{{"authorization", "Bearer t"}})) << "controls are no metadata";
  EXPECT_EQ(caller->peer, "192.0.2.1:7");
  EXPECT_EQ(caller->certificate, "name");
  EXPECT_EQ(caller->held_bytes, 15u);
  EXPECT_GE(caller->deadline, before + std::chrono::hours(1));
  EXPECT_LT(caller->deadline, before + std::chrono::hours(2));
}

TEST(CallerOf, WaitsForEverUnlessOneTimeoutIsSent) {
  const auto deadline_of = [](std::vector<http::Field> fields) {
    return CallerOf({.fields = std::move(fields)})->deadline;
  };
  EXPECT_EQ(deadline_of({}), std::chrono::system_clock::time_point::max());
  EXPECT_EQ(deadline_of({{"grpc-timeout", "soon"}}), std::chrono::system_clock::time_point::max());
  EXPECT_EQ(deadline_of({{"grpc-timeout", "1S"}, {"grpc-timeout", "2S"}}),
            std::chrono::system_clock::time_point::max());
}

}  // namespace
}  // namespace tensorferry::web
