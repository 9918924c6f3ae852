// These tests are peers that keep to the rules, and peers that do not.
#include "sealed/side_server.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "testing/memfd.h"
#include "testing/side_caller.h"
#include "testing/status_matchers.h"

namespace tensorferry::sealed {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr std::size_t kMostConnections = 8;

std::string HandOver(std::uint64_t nbytes, std::uint32_t tag = 7) { return SideMessage(1, 1, tag, nbytes); }

std::string Release(const std::string& name) { return SideMessage(1, 2, 0, 0) + name; }

std::size_t OpenFiles() {
  const std::filesystem::directory_iterator open("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(open), end(open)));
}

class SideServerTest : public testing::Test {
 protected:
  SideServerTest() {
    EXPECT_THAT(server_->Listen(path_), IsOk());
    EXPECT_THAT(server_->Start(), IsOk());
  }

  // Returns the text of the answer to a message with these descriptors.
  static std::string Ask(const SideCaller& caller, const std::string& message, const std::vector<int>& descriptors) {
    caller.Send(message, descriptors);
    return caller.Receive().value_or(std::string(8, ' ') + "closed").substr(8);
  }

  static std::string Ask(const SideCaller& caller, const std::string& bytes) {
    const FileDescriptor memory = MakeMemfd(bytes);
    return Ask(caller, HandOver(bytes.size()), {memory.get()});
  }

  SealedRegions regions_{{.regions = 8, .nbytes = 1 << 20}};
  const std::string path_ = testing::TempDir() + "side-" + std::to_string(getpid()) + ".sealed";
  std::unique_ptr<SideServer> server_ = std::make_unique<SideServer>(regions_, kMostConnections);
};

TEST_F(SideServerTest, TakesSealedMemory) {
  const SideCaller caller(path_);
  const FileDescriptor memory = MakeMemfd("0123");
  caller.Send(HandOver(4, 99), {memory.get()});
  const auto answer = caller.Receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->substr(0, 8), std::string("\1\0\1\0\143\0\0\0", 8));
  const auto range = regions_.Find(answer->substr(8), 0, 4);
  ASSERT_THAT(range, IsOk());
  const auto bytes = range->Map({});
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes->get()), 4), "0123");
}

TEST_F(SideServerTest, TakesMemoryForOutputs) {
  const SideCaller caller(path_);
  const FileDescriptor memory = MakeMemfd("0123", /*seals=*/0);
  const std::string name = Ask(caller, SideMessage(1, 3, 7, 4), {memory.get()});
  const auto range = regions_.FindOutput(name, 0, 4);
  ASSERT_THAT(range, IsOk());
  caller.Send(Release(name));
  EXPECT_THAT(Ask(caller, SideMessage(1, 3, 7, 4), {memory.get()}), StartsWith("BAD_SHARED_MEMORY"))
      << "once is enough";
  EXPECT_THAT(regions_.FindOutput(name, 0, 4), Fails(Reason::kRegionNotFound));
}

TEST_F(SideServerTest, ReleasesWhatItsOwnPeerHandedOver) {
  const SideCaller caller(path_);
  const SideCaller other(path_);
  const std::string name = Ask(caller, "0123");
  other.Send(Release(name));
  other.Send(Release("sealed:unknown"));
  Ask(other, "0123");  // The answer comes after the messages before it were served.
  EXPECT_THAT(regions_.Find(name, 0, 4), IsOk());
  caller.Send(Release(name));
  Ask(caller, "0123");
  EXPECT_THAT(regions_.Find(name, 0, 4), Fails(Reason::kRegionNotFound));
}

TEST_F(SideServerTest, WhatAPeerLeavesIsRemoved) {
  const std::size_t files = OpenFiles();
  for (int i = 0; i < 20; ++i) {
    const SideCaller caller(path_);
    ASSERT_THAT(Ask(caller, "0123"), StartsWith("sealed:"));
    ASSERT_THAT(Ask(caller, SideMessage(1, 3, 7, 4), {MakeMemfd("0123", /*seals=*/0).get()}), StartsWith("sealed:"));
    caller.Send(HandOver(4), {MakeMemfd("0123").get()});  // It is gone before the answer comes.
  }
  while (regions_.nbytes() > 0 || OpenFiles() > files) std::this_thread::yield();
}

TEST_F(SideServerTest, RefusesOtherThanOneDescriptor) {
  const SideCaller caller(path_);
  const FileDescriptor memory = MakeMemfd("0123");
  EXPECT_THAT(Ask(caller, HandOver(4), {}), HasSubstr("expected one descriptor with the message, got 0"));
  const std::size_t files = OpenFiles();
  EXPECT_THAT(Ask(caller, HandOver(4), {memory.get(), memory.get()}), HasSubstr("got 2"));
  EXPECT_THAT(Ask(caller, HandOver(4), std::vector<int>(253, memory.get())), HasSubstr("got 253"));
  EXPECT_THAT(Ask(caller, HandOver(4), {caller.socket_number()}), StartsWith("BAD_SHARED_MEMORY"));
  EXPECT_EQ(OpenFiles(), files) << "all of them are closed before the answer";
  EXPECT_EQ(regions_.nbytes(), 0U);
  EXPECT_THAT(Ask(caller, "0123"), StartsWith("sealed:")) << "the connection goes on";
}

TEST_F(SideServerTest, DescriptorsWithARefusedMessageAreClosed) {
  const FileDescriptor memory = MakeMemfd("0123");
  const std::size_t files = OpenFiles();
  for (const std::string& message : {SideMessage(2, 1, 7, 4), SideMessage(1, 9, 7, 4), std::string("x"),
                                     std::string(4096, 'x'), HandOver(4) + "more"}) {
    const SideCaller caller(path_);
    EXPECT_THAT(Ask(caller, message, {memory.get(), memory.get()}), StartsWith("BAD_SHARED_MEMORY"));
    EXPECT_EQ(caller.Receive(), std::nullopt) << "what is no message ends the connection";
  }
  const SideCaller caller(path_);
  caller.Send(Release("anything"), {memory.get(), memory.get()});
  ASSERT_THAT(Ask(caller, "0123"), StartsWith("sealed:"));
  EXPECT_LE(OpenFiles(), files + 3) << "the caller, the peer, and the region";
}

TEST_F(SideServerTest, APeerThatReadsNothingLosesItsConnection) {
  const SideCaller deaf(path_);
  const std::string message = HandOver(4);
  while (send(deaf.socket_number(), message.data(), message.size(), MSG_NOSIGNAL) > 0) {
  }
  const SideCaller caller(path_);
  EXPECT_THAT(Ask(caller, "0123"), StartsWith("sealed:"));
}

TEST_F(SideServerTest, AUserHasHalfOfTheConnections) {
  std::vector<std::unique_ptr<SideCaller>> callers;
  for (std::size_t i = 0; i < kMostConnections / 2; ++i) {
    callers.push_back(std::make_unique<SideCaller>(path_));
    ASSERT_THAT(Ask(*callers.back(), "0123"), StartsWith("sealed:"));
  }
  EXPECT_EQ(SideCaller(path_).Receive(), std::nullopt);
}

TEST_F(SideServerTest, TheEndRemovesRegionsAndFile) {
  const SideCaller caller(path_);
  ASSERT_THAT(Ask(caller, "0123"), StartsWith("sealed:"));
  server_.reset();
  EXPECT_EQ(caller.Receive(), std::nullopt);
  EXPECT_EQ(regions_.nbytes(), 0U);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(SideServerTest, ListensWhereNobodyElseDoes) {
  SideServer other(regions_, kMostConnections);
  EXPECT_THAT(std::string(other.Listen(path_).message()), HasSubstr("Address already in use"));
  const std::string left = path_ + ".left";
  ASSERT_EQ(mknod(left.c_str(), S_IFSOCK | 0600, 0), 0);
  EXPECT_THAT(other.Listen(left), IsOk()) << "a server that has ended left it behind";
  const std::string file = path_ + ".file";
  std::ofstream(file) << "precious";
  EXPECT_THAT(std::string(other.Listen(file).message()), HasSubstr("the path is there, and is no socket"));
  std::filesystem::remove(file);
  EXPECT_THAT(std::string(other.Listen("/" + std::string(107, 'x')).message()), HasSubstr("at most 107 can be"));
}

}  // namespace
}  // namespace tensorferry::sealed
