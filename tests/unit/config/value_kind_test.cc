#include "config/value_kind.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace tensorferry::config {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr SizeKind kAnySize{.min = 0, .max = std::numeric_limits<std::uint64_t>::max()};

TEST(SizeKind, LimitsAreInclusive) {
  constexpr SizeKind kind{.min = 65536, .max = 2147483647};
  EXPECT_FALSE(kind.Parse("65535"));
  EXPECT_TRUE(kind.Parse("64KiB"));
  EXPECT_TRUE(kind.Parse("2147483647"));
  EXPECT_FALSE(kind.Parse("2GiB"));
  EXPECT_THAT(kind.Expected(), HasSubstr("from 64KiB to 2147483647B"));
}

TEST(SizeKind, WritesWhatItReads) {
  EXPECT_EQ(kAnySize.Format(8ULL << 30), "8GiB");
  EXPECT_EQ(kAnySize.Parse("8GiB"), 8ULL << 30);
}

TEST(DurationKind, LimitsAreInclusive) {
  constexpr DurationKind kind{.min = milliseconds(500), .max = std::chrono::hours(1)};
  EXPECT_EQ(kind.Parse("500ms"), milliseconds(500));
  EXPECT_EQ(kind.Parse("1h"), milliseconds(3'600'000));
  for (const std::string_view text : {"499ms", "0s", "61m", "30"}) EXPECT_FALSE(kind.Parse(text)) << text;
  EXPECT_THAT(kind.Expected(), HasSubstr("from 500ms to 1h, in ms, s, m or h"));
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
  for (const std::string_view text : {"", "localhost", "localhost:65536", "unix:"}) {
    EXPECT_FALSE(kind.Parse(text)) << text;
  }
}

TEST(AdminAddressKind, TakesHostsAndOff) {
  constexpr AdminAddressKind kind;
  for (const std::string_view text : {"127.0.0.1:8002", "[::]:0", "off"}) EXPECT_EQ(kind.Parse(text), text);
  for (const std::string_view text : {"", "on", "localhost", "unix:/run/admin.sock"}) {
    EXPECT_FALSE(kind.Parse(text)) << text;
  }
}

TEST(HostKind, TakesHostsWithoutPorts) {
  constexpr HostKind kind;
  for (const std::string_view text : {"here.example", "10.0.0.1", "[fd00::1]"}) EXPECT_EQ(kind.Parse(text), text);
  for (const std::string_view text :
       {"", "here.example:80", "[fd00::1]:80", "fd00::1", "unix:/run/s", "unix:", "a b"}) {
    EXPECT_EQ(kind.Parse(text), std::nullopt) << text;
  }
}

TEST(ModelKind, TakesANameAndAFile) {
  constexpr ModelKind kind;
  EXPECT_EQ(kind.Parse("m=/models/m.pt"), (inference::NamedFile{.name = "m", .file = "/models/m.pt"}));
  EXPECT_EQ(kind.Parse("Res.Net_50-v2=a=b.pt"), (inference::NamedFile{.name = "Res.Net_50-v2", .file = "a=b.pt"}));
  const std::string longest(128, 'n');
  EXPECT_TRUE(kind.Parse(longest + "=f"));
  EXPECT_FALSE(kind.Parse(longest + "n=f"));
  for (const std::string_view text : {"", "m", "m=", "=f", "a b=f", "a/b=f", "..=f", "\xC3\xA9=f"}) {
    EXPECT_FALSE(kind.Parse(text)) << text;
  }
}

TEST(ModeKind, TakesOctalDigits) {
  constexpr ModeKind kind;
  EXPECT_EQ(kind.Parse("0660"), 0660);
  EXPECT_EQ(kind.Parse("777"), 0777);
  EXPECT_EQ(kind.Parse("0"), 0);
  EXPECT_EQ(kind.Format(0660), "0660");
  EXPECT_EQ(kind.Parse(kind.Format(-1)), -1);
  for (const std::string_view text : {"0888", "1000", "-1", "u+rw", "0x1ff", "660 "})
    EXPECT_FALSE(kind.Parse(text)) << text;
}

TEST(SwitchKind, TakesOnAndOff) {
  constexpr SwitchKind kind;
  EXPECT_EQ(kind.Parse("on"), true);
  EXPECT_EQ(kind.Parse("off"), false);
  for (const std::string_view text : {"", "true", "1", "ON"}) EXPECT_FALSE(kind.Parse(text)) << text;
}

}  // namespace
}  // namespace tensorferry::config
