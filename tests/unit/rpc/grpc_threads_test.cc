#include "rpc/grpc_threads.h"

#include <gmock/gmock.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <cstddef>

namespace tensorferry::rpc {
namespace {

// A stack that is larger than the addresses of a process, so that the system has no such thread.
constexpr std::size_t kNoStack = std::size_t{1} << 48;

void* Note(void* called) {
  *static_cast<std::atomic<bool>*>(called) = true;
  return called;
}

// Asks for a thread that the system does not have, as gRPC asks for one. Returns whether it ran.
bool RunsOnAThread(int state) {
  pthread_attr_t attributes;
  EXPECT_EQ(pthread_attr_init(&attributes), 0);
  EXPECT_EQ(pthread_attr_setstacksize(&attributes, kNoStack), 0);
  EXPECT_EQ(pthread_attr_setdetachstate(&attributes, state), 0);
  std::atomic<bool> called = false;
  pthread_t thread{};
  const int error = pthread_create(&thread, &attributes, &Note, &called);
  EXPECT_EQ(pthread_attr_destroy(&attributes), 0);
  if (error != 0) {
    EXPECT_EQ(error, EAGAIN);
    return false;
  }
  void* returned = nullptr;
  EXPECT_EQ(pthread_join(thread, &returned), 0);
  EXPECT_EQ(returned, &called);
  EXPECT_TRUE(called);
  return true;
}

class GrpcThreads : public testing::Test {
 protected:
  // What other tests of this process have kept is used up.
  void SetUp() override {
    while (RunsOnAThread(PTHREAD_CREATE_JOINABLE)) continue;
  }
};

TEST_F(GrpcThreads, AreGivenWhereTheSystemHasNone) {
  KeepThreadsForGrpc(2);
  EXPECT_TRUE(RunsOnAThread(PTHREAD_CREATE_JOINABLE));
  EXPECT_TRUE(RunsOnAThread(PTHREAD_CREATE_JOINABLE));
  EXPECT_FALSE(RunsOnAThread(PTHREAD_CREATE_JOINABLE));
}

TEST_F(GrpcThreads, AreKeptUpToTheNumberAskedFor) {
  KeepThreadsForGrpc(1);
  KeepThreadsForGrpc(1);
  EXPECT_TRUE(RunsOnAThread(PTHREAD_CREATE_JOINABLE));
  EXPECT_FALSE(RunsOnAThread(PTHREAD_CREATE_JOINABLE));
}

TEST_F(GrpcThreads, AreNotGivenForWhatGoesOnWithoutAThread) {
  KeepThreadsForGrpc(1);
  EXPECT_FALSE(RunsOnAThread(PTHREAD_CREATE_DETACHED));
  EXPECT_TRUE(RunsOnAThread(PTHREAD_CREATE_JOINABLE));
}

TEST_F(GrpcThreads, AreLeftAloneWhereTheSystemHasSome) {
  KeepThreadsForGrpc(1);
  std::atomic<bool> called = false;
  pthread_t thread{};
  ASSERT_EQ(pthread_create(&thread, nullptr, &Note, &called), 0);
  ASSERT_EQ(pthread_join(thread, nullptr), 0);
  EXPECT_TRUE(RunsOnAThread(PTHREAD_CREATE_JOINABLE));
}

}  // namespace
}  // namespace tensorferry::rpc
