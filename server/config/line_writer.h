#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace tensorferry::config {

// LineWriter writes lines to a descriptor from a thread of its own, so that nobody waits for whoever reads them. At most
// kMaxWaitingBytes wait: when more come, the oldest are left out, and a line in their place tells how many. A line that
// cannot be written, as on a full disk, is left out and told of, too. spdlog's own queue counts lines of any length,
// and waits for the reader at its end.
// Threads:  any. The thread takes no signals, so it may be started before the process has set up its own.
// Lifetime: the descriptor stays open; the destructor waits as AwaitWrittenLines does, for kMostAtEnd.
class LineWriter {
 public:
  using TellLeftOut = std::function<std::string(std::uint64_t count)>;  // Makes the line.

  static constexpr std::size_t kMaxWaitingBytes = 1 << 20;
  static constexpr std::chrono::milliseconds kMostAtEnd{1000};

  // Errors: throws NoThread.
  LineWriter(int descriptor, TellLeftOut tell);
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;
  ~LineWriter();

  // Takes a line that ends with a newline. Never waits for the descriptor.
  void Write(std::string line);

 private:
  struct State;

  // Shared with the thread, which outlives the writer if the descriptor takes nothing.
  const std::shared_ptr<State> state_;
};

// Returns how many lines the LineWriters of this process have left out.
std::uint64_t LeftOutLines();

// Waits until every line that a LineWriter of this process has taken is written or left out, at most for `most`. A
// signal handler may call it: it takes no lock and no memory.
void AwaitWrittenLines(std::chrono::milliseconds most);

}  // namespace tensorferry::config
