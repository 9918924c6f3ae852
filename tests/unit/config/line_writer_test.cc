#include "config/line_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "base/start_thread.h"

namespace tensorferry::config {
namespace {

constexpr int kPipeBytes = 4096;  // The least that a pipe can be given.

std::string Tell(std::uint64_t count) { return fmt::format("left out: {}\n", count); }

class LineWriterTest : public testing::Test {
 protected:
  LineWriterTest() {
    EXPECT_EQ(pipe2(ends_.data(), O_CLOEXEC), 0);
    EXPECT_EQ(fcntl(ends_[1], F_SETPIPE_SZ, kPipeBytes), kPipeBytes);
    output_ = fdopen(ends_[0], "r");
    writer_.emplace(ends_[1], Tell);
  }
  ~LineWriterTest() override {
    std::fclose(output_);  // A thread that still writes gets an error, and ends.
    writer_.reset();
    close(ends_[1]);
  }

  // Waits for the next line.
  std::string Next() {
    char* line = nullptr;
    std::size_t capacity = 0;
    const ssize_t size = getline(&line, &capacity, output_);
    std::string text(line, size > 0 ? static_cast<std::size_t>(size) - 1 : 0);
    std::free(line);
    return text;
  }

  std::array<int, 2> ends_{};
  std::FILE* output_ = nullptr;
  std::optional<LineWriter> writer_;
};

TEST_F(LineWriterTest, WritesLinesInTheirOrder) {
  writer_->Write("first\n");
  writer_->Write("second\n");
  EXPECT_EQ(Next(), "first");
  EXPECT_EQ(Next(), "second");
}

TEST_F(LineWriterTest, WritesAllBeforeTheWaitEnds) {
  writer_->Write("line\n");
  AwaitWrittenLines(LineWriter::kMostAtEnd);
  ASSERT_EQ(fcntl(ends_[0], F_SETFL, O_NONBLOCK), 0);
  EXPECT_EQ(Next(), "line");
}

// The oldest go first, and what is missing is told where it is missing.
TEST_F(LineWriterTest, CountsWhatNobodyReadInTime) {
  constexpr std::size_t kLines = 3 * LineWriter::kMaxWaitingBytes / 1024;
  for (std::size_t i = 0; i < kLines; ++i) writer_->Write(fmt::format("{:0>1023}\n", i));
  std::size_t told = 0;
  for (std::size_t next = 0; next < kLines;) {
    const std::string line = Next();
    if (line.starts_with("left out: ")) {
      told += std::stoul(line.substr(10));
      next += std::stoul(line.substr(10));
    } else {
      ASSERT_EQ(line, fmt::format("{:0>1023}", next++));
    }
  }
  EXPECT_GT(told, kLines / 2);
}

TEST_F(LineWriterTest, LeavesOutALineThatIsTooLong) {
  const std::uint64_t before = LeftOutLines();
  writer_->Write(std::string(LineWriter::kMaxWaitingBytes, 'x') + "\n");
  writer_->Write("short\n");
  EXPECT_EQ(Next(), "left out: 1");
  EXPECT_EQ(LeftOutLines(), before + 1);
  EXPECT_EQ(Next(), "short");
  EXPECT_EQ(LeftOutLines(), before + 1);
}

TEST_F(LineWriterTest, TellsOfLinesThatCouldNotBeWritten) {
  const int pipe = dup(ends_[1]);
  const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  dup2(full, ends_[1]);
  for (int i = 0; i < 3; ++i) writer_->Write("line\n");
  AwaitWrittenLines(LineWriter::kMostAtEnd);
  dup2(pipe, ends_[1]);
  close(full);
  close(pipe);
  writer_->Write("after\n");
  EXPECT_EQ(Next(), "left out: 3");
  EXPECT_EQ(Next(), "after");
}

// Returns the signals that this thread takes none of.
std::vector<int> KeptSignals() {
  sigset_t kept;
  pthread_sigmask(SIG_SETMASK, nullptr, &kept);
  std::vector<int> signals;
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    if (sigismember(&kept, signal) == 1) signals.push_back(signal);
  }
  return signals;
}

TEST(LineWriterWithoutAThread, LeavesTheSignalsOfTheOtherThreadsAlone) {
  const std::vector<int> before = KeptSignals();
  pthread_attr_t former;
  pthread_attr_t impossible;
  pthread_getattr_default_np(&former);
  pthread_attr_init(&impossible);
  pthread_attr_setstacksize(&impossible, std::size_t{1} << 50);  // More than there are addresses.
  ASSERT_EQ(pthread_setattr_default_np(&impossible), 0);
  EXPECT_THROW(LineWriter(STDERR_FILENO, Tell), NoThread);
  pthread_setattr_default_np(&former);
  EXPECT_EQ(KeptSignals(), before);
}

}  // namespace
}  // namespace tensorferry::config
