#include "tracing/trace_context.h"

#include <gmock/gmock.h>

#include <string>

namespace tensorferry::tracing {
namespace {

using testing::MatchesRegex;

// kExample is the one of W3C's Trace Context.
constexpr std::string_view kExample = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

TEST(ParseTraceparent, ReadsW3CsExample) {
  const auto parent = ParseTraceparent(kExample);
  ASSERT_TRUE(parent.has_value());
  EXPECT_EQ(Hex(parent->trace_id), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(Hex(parent->span_id), "b7ad6b7169203331");
  EXPECT_TRUE(parent->sampled);
}

// The rows are those of W3C's own tests of traceparent, by the sections of the recommendation.
TEST(ParseTraceparent, RefusesWhatIsMalformed) {
  for (const std::string_view text :
       {"", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-",    // No flags.
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",   // One digit.
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-.0",  // No digit.
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",  // Upper case.
        "00-0af7651916cd43dd8448eb211c80319c-B7AD6B7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",     // No trace.
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",     // No span.
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",     // No version.
        "0x-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",     //
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",    // 00 has an exact length.
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-00",  //
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",    // A later version goes on after '-'.
        " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
        "00-0af7651916cd43dd8448eb211c80319cb7ad6b7169203331-0101"}) {
    EXPECT_FALSE(ParseTraceparent(text)) << text;
  }
}

TEST(ParseTraceparent, ReadsOfALaterVersionWhatItKnows) {
  const auto parent = ParseTraceparent("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-follows");
  ASSERT_TRUE(parent.has_value());
  EXPECT_TRUE(parent->sampled);
  EXPECT_TRUE(ParseTraceparent("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"));
}

TEST(ParseTraceparent, LooksAtTheSampledFlagAlone) {
  const auto with_flags = [](const std::string& flags) {
    return ParseTraceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-" + flags)->sampled;
  };
  EXPECT_TRUE(with_flags("ff"));
  EXPECT_TRUE(with_flags("03"));
  EXPECT_FALSE(with_flags("00"));
  EXPECT_FALSE(with_flags("02"));
}

TEST(MakeCallTrace, GoesOnInTheCallersTrace) {
  const auto parent = ParseTraceparent(kExample);
  CallTrace trace = MakeCallTrace(parent);
  EXPECT_EQ(trace.trace_id, parent->trace_id);
  EXPECT_EQ(trace.parent_id, parent->span_id);
  EXPECT_NE(trace.span_id, parent->span_id);
  trace.sampled = true;
  EXPECT_EQ(ParseTraceparent(FormatTraceparent(trace)),
            (TraceParent{.trace_id = trace.trace_id, .span_id = trace.span_id, .sampled = true}));
}

TEST(MakeCallTrace, BeginsATraceOtherwise) {
  const CallTrace trace = MakeCallTrace(std::nullopt);
  EXPECT_FALSE(trace.parent_id.has_value());
  EXPECT_THAT(FormatTraceparent(trace), MatchesRegex("00-[0-9a-f]{32}-[0-9a-f]{16}-00"));
  EXPECT_NE(trace.trace_id, MakeCallTrace(std::nullopt).trace_id);
}

}  // namespace
}  // namespace tensorferry::tracing
