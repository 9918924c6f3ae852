#include "config/value_kind.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace tensorferry::config {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr SizeKind kAnySize{.min = 0, .max = std::numeric_limits<std::uint64_t>::max()};
constexpr DurationKind kAnyTime{.max = std::chrono::hours(1)};

struct SizeCase {
  std::string_view text;
  std::optional<std::uint64_t> bytes;
};

TEST(SizeKind, TakesBinaryUnitsAndNothingElse) {
  for (const auto& [text, bytes] : std::to_array<SizeCase>({
           {"0", 0},
           {"65536", 65536},
           {"17B", 17},
           {"3KiB", 3072},
           {"64MiB", 67108864},
           {"8GiB", 8589934592},
           {"18446744073709551615", 18446744073709551615ULL},
           {"17179869183GiB", 18446744072635809792ULL},
           {"17179869184GiB", std::nullopt},
           {"18446744073709551616", std::nullopt},
           {"", std::nullopt},
           {"MiB", std::nullopt},
           {"64 MiB", std::nullopt},
           {"64MB", std::nullopt},
           {"64mib", std::nullopt},
           {"64MiBx", std::nullopt},
           {"1.5GiB", std::nullopt},
           {"-1", std::nullopt},
           {"+1", std::nullopt},
           {"0x10", std::nullopt},
       })) {
    EXPECT_EQ(kAnySize.Parse(text), bytes) << text;
  }
}

TEST(SizeKind, LimitsAreInclusive) {
  constexpr SizeKind kind{.min = 65536, .max = 2147483647};
  EXPECT_FALSE(kind.Parse("65535"));
  EXPECT_TRUE(kind.Parse("64KiB"));
  EXPECT_TRUE(kind.Parse("2147483647"));
  EXPECT_FALSE(kind.Parse("2GiB"));
  EXPECT_THAT(kind.Expected(), HasSubstr("from 64KiB to 2147483647B"));
}

TEST(SizeKind, WritesTheLargestExactUnit) {
  EXPECT_EQ(kAnySize.Format(8ULL << 30), "8GiB");
  EXPECT_EQ(kAnySize.Format(1536), "1536B");
  EXPECT_EQ(kAnySize.Format(1536 << 10), "1536KiB");
}

TEST(DurationKind, TakesTimesWithUnit) {
  EXPECT_EQ(kAnyTime.Parse("500ms"), milliseconds(500));
  EXPECT_EQ(kAnyTime.Parse("0s"), milliseconds(0));
  EXPECT_EQ(kAnyTime.Parse("30s"), milliseconds(30'000));
  EXPECT_EQ(kAnyTime.Parse("60m"), milliseconds(3'600'000));
  for (const std::string_view text : {"30", "", "s", "61m", "1h", "-1s", "1.5s", "18446744073709551615m"}) {
    EXPECT_FALSE(kAnyTime.Parse(text)) << text;
  }
}

TEST(DurationKind, WritesWhatItReads) {
  EXPECT_EQ(kAnyTime.Format(milliseconds(90'000)), "90s");
  EXPECT_EQ(kAnyTime.Format(milliseconds(1500)), "1500ms");
  EXPECT_EQ(kAnyTime.Format(milliseconds(0)), "0s");
}

TEST(CountKind, LimitsAreInclusive) {
  constexpr CountKind kind{.min = 1, .max = 1024};
  EXPECT_EQ(kind.Parse("1"), 1);
  EXPECT_EQ(kind.Parse("1024"), 1024);
  for (const std::string_view text : {"0", "1025", "-1", "", "4x", "99999999999999999999", "18446744073709551617"}) {
    EXPECT_FALSE(kind.Parse(text)) << text;
  }
}

TEST(AddressKind, TakesHostsAndUnixSockets) {
  constexpr AddressKind kind;
  for (const std::string_view text : {"127.0.0.1:8001", "localhost:0", "[::]:65535", "[::1]:8001", "[fe80::1%eth0]:1",
                                      "my-host.example:80", "unix:/run/tensorferry.sock", "unix:relative.sock"}) {
    EXPECT_EQ(kind.Parse(text), text);
  }
  const std::string longest(107, 'p');
  EXPECT_TRUE(kind.Parse("unix:" + longest));
  EXPECT_FALSE(kind.Parse("unix:" + longest + "p"));
  for (const std::string_view text :
       {"", ":8001", "localhost", "localhost:", "localhost:65536", "localhost:-1", "::1:8001", "[::1]", "[::1]8001",
        "[]:8001", "[::1%]:1", "a b:1", "http://a:1", "unix:"}) {
    EXPECT_FALSE(kind.Parse(text)) << text;
  }
}

TEST(ModelKind, TakesANameAndAFile) {
  constexpr ModelKind kind;
  EXPECT_EQ(kind.Parse("m=/models/m.pt"), (ModelFile{.name = "m", .file = "/models/m.pt"}));
  EXPECT_EQ(kind.Parse("Res.Net_50-v2=a=b.pt"), (ModelFile{.name = "Res.Net_50-v2", .file = "a=b.pt"}));
  const std::string longest(128, 'n');
  EXPECT_TRUE(kind.Parse(longest + "=f"));
  EXPECT_FALSE(kind.Parse(longest + "n=f"));
  for (const std::string_view text : {"", "m", "m=", "=f", "a b=f", "a/b=f", "\xC3\xA9=f"}) {
    EXPECT_FALSE(kind.Parse(text)) << text;
  }
}

TEST(SwitchKind, TakesOnAndOff) {
  constexpr SwitchKind kind;
  EXPECT_EQ(kind.Parse("on"), true);
  EXPECT_EQ(kind.Parse("off"), false);
  for (const std::string_view text : {"", "true", "1", "ON"}) EXPECT_FALSE(kind.Parse(text)) << text;
}

}  // namespace
}  // namespace tensorferry::config
