#include "inference/isolation/channel.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <thread>

namespace tensorferry::inference {
namespace {

using Received = Channel::Received;

class ChannelTest : public testing::Test {
 protected:
  ChannelTest() {
    std::array<int, 2> ends{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    one = std::make_unique<Channel>(ends[0]);
    other_socket = ends[1];
    other = std::make_unique<Channel>(ends[1]);
  }

  std::unique_ptr<Channel> one, other;
  int other_socket = -1;
  std::string message;
};

TEST_F(ChannelTest, CarriesMessagesOfAnySize) {
  for (const std::size_t nbytes : {0UL, 1UL, 4087UL, 4088UL, 4089UL, 100'000UL, 5'000'000UL}) {
    const std::string sent(nbytes, 'x');
    std::thread sender([&] { EXPECT_TRUE(one->Send(sent)); });
    EXPECT_EQ(other->Receive(message), Received::kMessage);
    sender.join();
    EXPECT_EQ(message, sent);
  }
}

TEST_F(ChannelTest, FailsWhenTheOtherEndIsGone) {
  other.reset();
  EXPECT_EQ(one->Receive(message), Received::kNothing);
  EXPECT_FALSE(one->Send("x"));
}

TEST_F(ChannelTest, TellsThatTheOtherEndHasNotReadWhatItWasSent) {
  EXPECT_TRUE(one->Send("read"));
  EXPECT_EQ(other->Receive(message), Received::kMessage);
  EXPECT_TRUE(one->Send("unread"));
  other.reset();
  EXPECT_EQ(one->Receive(message), Received::kUnread);
}

TEST_F(ChannelTest, FailsWhenTheOtherEndGoesWithinAMessage) {
  EXPECT_EQ(write(other_socket, "\5\0\0\0\0\0\0\0ab", 10), 10);
  other.reset();
  EXPECT_EQ(one->Receive(message), Received::kNothing);
}

TEST_F(ChannelTest, RefusesAMessageThatIsTooLarge) {
  EXPECT_EQ(write(other_socket, "\xff\xff\xff\xff\xff\xff\xff\xff", 8), 8);
  EXPECT_EQ(one->Receive(message), Received::kNothing);
}

TEST_F(ChannelTest, ShutdownEndsAWait) {
  std::thread waiting([&] { EXPECT_EQ(one->Receive(message), Received::kNothing); });
  one->Shutdown();
  waiting.join();
  EXPECT_FALSE(one->Send("x"));
}

TEST_F(ChannelTest, AwaitTellsWhetherAnythingHasCome) {
  EXPECT_FALSE(one->Await(0));
  EXPECT_TRUE(other->Send("x"));
  EXPECT_TRUE(one->Await(0));
  EXPECT_EQ(one->Receive(message), Received::kMessage);
  EXPECT_FALSE(one->Await(0));
  other.reset();
  EXPECT_TRUE(one->Await(-1));
}

}  // namespace
}  // namespace tensorferry::inference
