// The supervisor of a worker process, with programs that know no models.
#include "inference/isolation/worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>
#include <vector>

#include "base/status.h"

namespace tensorferry::inference {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// Starts a program that waits until it is ended, and is ready as soon as `set_up` says so.
Worker::Options Sleeping(Worker::SetUp set_up = [](WorkerSession&) { return absl::StatusOr<std::string>("ready"); }) {
  return {.model = "model m version 1",
          .command = {"/bin/sleep", "sleep", "1000"},
          .file = STDIN_FILENO,
          .set_up = std::move(set_up),
          .on_change = [] {}};
}

// Returns the processes that this one has started and not reaped.
std::vector<pid_t> Children() {
  std::vector<pid_t> found;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream children(task.path() / "children");
    found.insert(found.end(), std::istream_iterator<pid_t>(children), std::istream_iterator<pid_t>());
  }
  return found;
}

void EndChild() {
  ASSERT_THAT(Children(), SizeIs(1));
  kill(Children().front(), SIGKILL);
}

TEST(Worker, StartsAProcessAndEndsIt) {
  {
    Worker worker(Sleeping());
    EXPECT_EQ(worker.AwaitFirstStart().value(), "ready");
    EXPECT_TRUE(worker.AwaitSession().ok());
    EXPECT_EQ(worker.unavailable(), std::nullopt);
    EXPECT_THAT(Children(), SizeIs(1));
  }
  EXPECT_THAT(Children(), IsEmpty());
}

TEST(Worker, StartsAnotherProcessWhenOneHasEnded) {
  Worker worker(Sleeping());
  ASSERT_TRUE(worker.AwaitFirstStart().ok());
  for (int times = 1; times <= 3; ++times) {
    const auto session = *worker.AwaitSession();
    EndChild();
    const absl::Status end = worker.DescribeEnd(session);
    EXPECT_EQ(DescribeError(end).reason, Reason::kModelFailed);
    EXPECT_THAT(DescribeError(end).message, HasSubstr("signal 9 (Killed)"));
    const auto next = *worker.AwaitSession();
    EXPECT_NE(next, session);
    EXPECT_EQ(worker.ended(), times);
  }
}

TEST(Worker, EndsAProcessWhoseChannelIsBroken) {
  Worker worker(Sleeping());
  ASSERT_TRUE(worker.AwaitFirstStart().ok());
  const auto session = *worker.AwaitSession();
  worker.DescribeEnd(session).IgnoreError();
  EXPECT_NE(*worker.AwaitSession(), session);
}

TEST(Worker, AFirstStartThatFailsIsNotTriedAgain) {
  int calls = 0;
  Worker worker(Sleeping([&](WorkerSession&) -> absl::StatusOr<std::string> {
    ++calls;
    return MakeError(Reason::kModelNotReady, "no model");
  }));
  EXPECT_EQ(DescribeError(worker.AwaitFirstStart().status()).message, "no model");
  EXPECT_THAT(Children(), IsEmpty());
  EXPECT_EQ(calls, 1);
}

TEST(Worker, SaysHowAProcessEndedThatWasNeverReady) {
  Worker::Options options = Sleeping([](WorkerSession& session) -> absl::StatusOr<std::string> {
    std::string message;
    const bool received = session.channel.Receive(message) == Channel::Received::kMessage;
    return received ? absl::StatusOr<std::string>(message) : absl::AbortedError("");
  });
  options.command = {"/bin/false", "false"};
  Worker worker(options);
  EXPECT_EQ(DescribeError(worker.AwaitFirstStart().status()).message,
            "its worker process ended by exit code 1 while it loaded the model");
}

TEST(Worker, SaysThatThereIsNoSuchProgram) {
  Worker::Options options = Sleeping();
  options.command = {"/no/such/program", "program"};
  Worker worker(options);
  EXPECT_THAT(DescribeError(worker.AwaitFirstStart().status()).message, HasSubstr("No such file"));
}

TEST(Worker, IsUnavailableWhileItCannotBeStartedAgain) {
  std::atomic<bool> broken = false;
  std::atomic<int> changes = 0;
  Worker::Options options = Sleeping([&](WorkerSession&) -> absl::StatusOr<std::string> {
    if (broken) return MakeError(Reason::kModelNotReady, "it is broken");
    return "ready";
  });
  options.on_change = [&] { ++changes; };
  Worker worker(options);
  ASSERT_TRUE(worker.AwaitFirstStart().ok());
  EXPECT_EQ(changes, 0);

  broken = true;
  const auto session = *worker.AwaitSession();
  EndChild();
  worker.DescribeEnd(session).IgnoreError();
  const Failure failure = DescribeError(worker.AwaitSession().status());
  EXPECT_EQ(failure.reason, Reason::kModelNotReady);
  EXPECT_THAT(failure.message, HasSubstr("it is broken"));
  EXPECT_GT(failure.retry_after.count(), 0);
  EXPECT_THAT(worker.unavailable().value_or(""), HasSubstr("it is broken"));

  broken = false;
  while (worker.unavailable()) std::this_thread::yield();
  EXPECT_TRUE(worker.AwaitSession().ok());
  EXPECT_EQ(worker.ended(), 1);
}

TEST(Worker, AnotherReplyThanTheFirstIsAFailedStart) {
  std::atomic<int> starts = 0;
  Worker worker(Sleeping([&](WorkerSession&) { return absl::StatusOr<std::string>(std::to_string(++starts)); }));
  ASSERT_TRUE(worker.AwaitFirstStart().ok());
  const auto session = *worker.AwaitSession();
  worker.DescribeEnd(session).IgnoreError();
  EXPECT_THAT(DescribeError(worker.AwaitSession().status()).message, HasSubstr("its file has changed"));
}

}  // namespace
}  // namespace tensorferry::inference
