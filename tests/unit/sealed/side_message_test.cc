#include "sealed/side_message.h"

#include <gmock/gmock.h>

#include <random>
#include <span>
#include <string>

#include "base/status.h"
#include "testing/side_caller.h"
#include "testing/status_matchers.h"

namespace tensorferry::sealed {
namespace {

using testing::HasSubstr;

std::span<const std::byte> BytesOf(const std::string& text) { return std::as_bytes(std::span(text)); }

TEST(SideMessageTest, ReadsWhatAPeerWants) {
  const std::string hand_over = SideMessage(1, 1, 0xA0B0C0D0, 1ULL << 40);
  const auto ask = ReadAsk(BytesOf(hand_over));
  ASSERT_THAT(ask, IsOk());
  EXPECT_EQ(ask->kind, Ask::Kind::kHandOver);
  EXPECT_EQ(ask->tag, 0xA0B0C0D0);
  EXPECT_EQ(ask->nbytes, 1ULL << 40);
  const std::string for_outputs = SideMessage(1, 3, 7, 64);
  EXPECT_EQ(ReadAsk(BytesOf(for_outputs))->kind, Ask::Kind::kHandOverForOutputs);
  EXPECT_THAT(ReadAsk(BytesOf(for_outputs + "x")), Fails(Reason::kBadSharedMemory, HasSubstr("behind its header")));
  const std::string release = SideMessage(1, 2, 7, 0) + "a name";
  const auto other = ReadAsk(BytesOf(release));
  ASSERT_THAT(other, IsOk());
  EXPECT_EQ(other->kind, Ask::Kind::kRelease);
  EXPECT_EQ(other->name, "a name");
}

TEST(SideMessageTest, RefusesWhatIsNoMessage) {
  const std::string good = SideMessage(1, 1, 7, 64);
  const auto refused = [](const std::string& message, const std::string& why) {
    EXPECT_THAT(ReadAsk(BytesOf(message)), Fails(Reason::kBadSharedMemory, HasSubstr(why)));
  };
  for (std::size_t nbytes = 0; nbytes < good.size(); ++nbytes) refused(good.substr(0, nbytes), "its header has 16");
  refused(SideMessage(2, 1, 7, 64), "has version 2; this server knows 1");
  refused(SideMessage(1, 0, 7, 64), "has kind 0");
  refused(SideMessage(1, 4, 7, 64), "has kind 4");
  refused(good + "x", "has 1 bytes behind its header");
}

// The answer to a message that is refused still has its tag, so that the peer knows which one it was.
TEST(SideMessageTest, TheTagIsReadAtAnyRate) {
  EXPECT_EQ(ReadTag(BytesOf(SideMessage(9, 9, 7, 0))), 7U);
  EXPECT_EQ(ReadTag(BytesOf(std::string(7, 'x'))), 0U);
}

// Under AddressSanitizer, reading behind a message ends the test.
TEST(SideMessageTest, AnyBytesAreReadOrRefused) {
  std::mt19937 random(17);
  for (int i = 0; i < 20'000; ++i) {
    std::string message(random() % (kMostAskBytes + 1), '\0');
    for (char& byte : message) byte = static_cast<char>(random() % 4);
    const auto ask = ReadAsk(BytesOf(message));
    if (!ask.ok()) {
      EXPECT_THAT(ask, Fails(Reason::kBadSharedMemory));
    } else {
      EXPECT_EQ(ask->name.size(), message.size() - kAskHeaderBytes);
    }
    EXPECT_EQ(ReadTag(BytesOf(message)) != 0, message.size() >= 8 && message.substr(4, 4) != std::string(4, '\0'));
  }
}

TEST(SideMessageTest, AnswersAreAsDocumented) {
  EXPECT_EQ(EncodeName(0x01020304, "sealed:00"), std::string("\1\0\1\0\4\3\2\1", 8) + "sealed:00");
  EXPECT_EQ(EncodeRefusal(0, MakeError(Reason::kMemoryBudget, "no room")),
            std::string("\1\0\2\0\0\0\0\0", 8) + "MEMORY_BUDGET no room");
}

}  // namespace
}  // namespace tensorferry::sealed
