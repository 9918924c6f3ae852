#include "base/text.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>

namespace tensorferry {
namespace {

using std::chrono::milliseconds;

struct SizeCase {
  std::string_view text;
  std::optional<std::uint64_t> nbytes;
  std::string_view meant;
};

TEST(ParseSize, TakesBinaryUnitsAndNamesWhatIsNearThem) {
  for (const auto& [text, nbytes, meant] : std::to_array<SizeCase>({
           {"0", 0, ""},
           {"1024", 1024, ""},
           {"17B", 17, ""},
           {"64KiB", 65'536, ""},
           {"8GiB", 8'589'934'592, ""},
           {"18446744073709551615", std::numeric_limits<std::uint64_t>::max(), ""},
           {"10GB", std::nullopt, "10GiB"},
           {"10g", std::nullopt, "10GiB"},
           {"10G", std::nullopt, "10GiB"},
           {"64 MiB", std::nullopt, "64MiB"},
           {"64mib", std::nullopt, "64MiB"},
           {"1024k", std::nullopt, "1MiB"},
           {"2TB", std::nullopt, "2048GiB"},
           {"100 bytes", std::nullopt, "100B"},
           {"", std::nullopt, ""},
           {"MiB", std::nullopt, ""},
           {"64MiBx", std::nullopt, ""},
           {"1.5GiB", std::nullopt, ""},
           {"-1", std::nullopt, ""},
           {"+1", std::nullopt, ""},
           {"0x10", std::nullopt, ""},
           {"ten", std::nullopt, ""},
           {"17179869184GiB", std::nullopt, ""},
           {"18446744073709551616", std::nullopt, ""},
       })) {
    EXPECT_EQ(ParseSize(text), nbytes) << text;
    EXPECT_EQ(MeantSize(text), meant) << text;
  }
}

struct TimeCase {
  std::string_view text;
  std::optional<milliseconds> time;
  std::string_view meant;
};

TEST(ParseDuration, NeedsAUnitAndNamesWhatIsNear) {
  for (const auto& [text, time, meant] : std::to_array<TimeCase>({
           {"0s", milliseconds(0), ""},
           {"500ms", milliseconds(500), ""},
           {"30s", milliseconds(30'000), ""},
           {"2m", milliseconds(120'000), ""},
           {"1h", milliseconds(3'600'000), ""},
           {"30", std::nullopt, "30s"},
           {"0", std::nullopt, "0s"},
           {"30 s", std::nullopt, "30s"},
           {"30S", std::nullopt, "30s"},
           {"30sec", std::nullopt, "30s"},
           {"5min", std::nullopt, "5m"},
           {"90 minutes", std::nullopt, "90m"},
           {"2hrs", std::nullopt, "2h"},
           {"1d", std::nullopt, "24h"},
           {"", std::nullopt, ""},
           {"s", std::nullopt, ""},
           {"-1s", std::nullopt, ""},
           {"1.5s", std::nullopt, ""},
           {"10us", std::nullopt, ""},
           {"18446744073709551615m", std::nullopt, ""},
           {"9999999999999999999ms", std::nullopt, ""},
       })) {
    EXPECT_EQ(ParseDuration(text), time) << text;
    EXPECT_EQ(MeantDuration(text), meant) << text;
  }
}

TEST(Format, WritesTheLargestUnitThatLeavesNoRest) {
  EXPECT_EQ(FormatSize(0), "0B");
  EXPECT_EQ(FormatSize(8ULL << 30), "8GiB");
  EXPECT_EQ(FormatSize(1536), "1536B");
  EXPECT_EQ(FormatDuration(milliseconds(0)), "0s");
  EXPECT_EQ(FormatDuration(milliseconds(90'000)), "90s");
  EXPECT_EQ(FormatDuration(milliseconds(3'600'000)), "1h");
  EXPECT_EQ(FormatDuration(milliseconds(1500)), "1500ms");
}

TEST(Unexpected, SaysWhatWasExpectedWhatCameAndWhatToWrite) {
  EXPECT_EQ(Unexpected(ExpectedSize(1024, 1 << 20), "10GB", MeantSize("10GB")),
            "expected a size from 1KiB to 1MiB, in B, KiB, MiB or GiB, got '10GB'; write 10GiB");
  EXPECT_EQ(Unexpected(ExpectedDuration(milliseconds(0), std::chrono::hours(24)), "soon"),
            "expected a time from 0s to 24h, in ms, s, m or h, got 'soon'");
}

TEST(ParseAddress, TakesHostsAndUnixSockets) {
  const auto address = ParseAddress("[fe80::1%eth0]:8001");
  ASSERT_TRUE(address);
  EXPECT_EQ(address->host, "[fe80::1%eth0]");
  EXPECT_EQ(address->port, 8001);
  const auto socket = ParseAddress("unix:/run/a b.sock");
  ASSERT_TRUE(socket);
  EXPECT_TRUE(socket->is_unix);
  EXPECT_EQ(socket->host, "/run/a b.sock");
  const std::string longest(kMaxUnixPathBytes, 'p');
  EXPECT_TRUE(ParseAddress("unix:" + longest));
  EXPECT_FALSE(ParseAddress("unix:" + longest + "p"));
  for (const char* const text :
       {"", ":8001", "localhost", "localhost:", "localhost:65536", "localhost:-1", "localhost:http", "::1:8001",
        "[::1]", "[::1]8001", "[]:8001", "[::1%]:1", "a b:1", "http://a:1", "unix:"}) {
    EXPECT_FALSE(ParseAddress(text)) << text;
  }
}

TEST(OneLine, EscapesControlCharactersAlone) {
  EXPECT_EQ(OneLine("a\nb\x1b[2J\x7f\t"), "a\\nb\\x1b[2J\\x7f\\x09");
  EXPECT_EQ(OneLine("\xC3\xA9 \\ \xff"), "\xC3\xA9 \\ \xff");
}

// The code points are those of Unicode's property Bidi_Control, and the separators and controls beyond ASCII.
TEST(OneLine, EscapesWhatBreaksOrReordersALine) {
  EXPECT_EQ(OneLine("a\u2028b\u2029c\u0085d"), "a\\u2028b\\u2029c\\u0085d");
  EXPECT_EQ(OneLine("\u061C\u200E\u200F"), "\\u061c\\u200e\\u200f");
  EXPECT_EQ(OneLine("\u202A\u202B\u202C\u202D\u202E"), "\\u202a\\u202b\\u202c\\u202d\\u202e");
  EXPECT_EQ(OneLine("\u2066\u2067\u2068\u2069"), "\\u2066\\u2067\\u2068\\u2069");
  EXPECT_EQ(OneLine("\u00A0 \u2027 \u202F \u2065 \xE2\x80"), "\u00A0 \u2027 \u202F \u2065 \xE2\x80");
}

}  // namespace
}  // namespace tensorferry
