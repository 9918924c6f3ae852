#include "config/line_writer.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <ctime>
#include <deque>
#include <mutex>
#include <string_view>
#include <utility>

#include "base/start_thread.h"

namespace tensorferry::config {
namespace {

// unwritten_lines is the number of lines of all writers that are neither written nor left out yet. It is the process's,
// as a signal handler has no references.
std::atomic<std::size_t> unwritten_lines = 0;
static_assert(std::atomic<std::size_t>::is_always_lock_free);

// left_out_lines is the number of lines that all writers have left out.
std::atomic<std::uint64_t> left_out_lines = 0;

// Writes all of `text`, and waits as long as that takes. Returns the number of bytes that were written, fewer if the
// descriptor refused the rest.
std::size_t WriteAll(int descriptor, std::string_view text) {
  std::size_t written = 0;
  while (written < text.size()) {
    const ssize_t wrote = write(descriptor, text.data() + written, text.size() - written);
    if (wrote >= 0) {
      written += static_cast<std::size_t>(wrote);
    } else if (errno == EAGAIN) {  // Another process that has the descriptor, too, may have set O_NONBLOCK.
      pollfd writable{descriptor, POLLOUT, 0};
      poll(&writable, 1, -1);
    } else if (errno != EINTR) {
      break;
    }
  }
  return written;
}

// WithoutSignals keeps all signals from this thread as long as it lives.
class WithoutSignals {
 public:
  WithoutSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former_);
  }
  WithoutSignals(const WithoutSignals&) = delete;
  WithoutSignals& operator=(const WithoutSignals&) = delete;
  ~WithoutSignals() { pthread_sigmask(SIG_SETMASK, &former_, nullptr); }

 private:
  sigset_t former_;
};

// Starts a thread that takes no signal: those of the process are for the threads that wait for them.
void StartWithoutSignals(std::function<void()> work) {
  const WithoutSignals while_it_starts;  // A thread takes the signals that the one takes which starts it.
  StartThread("writing the log", std::move(work)).detach();
}

}  // namespace

struct LineWriter::State {
  State(int to, TellLeftOut tell) : descriptor(to), tell_left_out(std::move(tell)) {}

  void Add(std::string line);
  void LeaveOut(std::size_t count);
  void Run();
  bool WriteLine(std::string_view line);

  const int descriptor;
  const TellLeftOut tell_left_out;
  bool is_cut = false;  // Whether the last line was written in part. For the thread alone.

  std::mutex mutex;  // Guards what follows.
  std::condition_variable changed;
  std::deque<std::string> lines;
  std::size_t waiting_bytes = 0;
  std::uint64_t left_out = 0;
  bool ending = false;
};

void LineWriter::State::LeaveOut(std::size_t count) {
  left_out += count;
  left_out_lines += count;
  unwritten_lines -= count;
}

void LineWriter::State::Add(std::string line) {
  {
    const std::lock_guard lock(mutex);
    const std::size_t nbytes = line.size();
    lines.push_back(std::move(line));  // Comes before the counts: it may throw.
    ++unwritten_lines;
    waiting_bytes += nbytes;
    while (waiting_bytes > kMaxWaitingBytes) {
      waiting_bytes -= lines.front().size();
      lines.pop_front();
      LeaveOut(1);
    }
  }
  changed.notify_one();
}

bool LineWriter::State::WriteLine(std::string_view line) {
  if (is_cut && WriteAll(descriptor, "\n") == 0) return false;
  const std::size_t written = WriteAll(descriptor, line);
  is_cut = written > 0 && written < line.size();
  return written == line.size();
}

void LineWriter::State::Run() {
  std::unique_lock lock(mutex);
  while (true) {
    changed.wait(lock, [this] { return ending || !lines.empty(); });
    if (lines.empty()) return;
    const std::uint64_t missing = std::exchange(left_out, 0);
    const std::string line = std::move(lines.front());
    lines.pop_front();
    waiting_bytes -= line.size();
    lock.unlock();
    const bool told = missing == 0 || WriteLine(tell_left_out(missing));
    const bool written = WriteLine(line);
    lock.lock();
    if (!told) left_out += missing;
    if (written) {
      --unwritten_lines;
    } else {
      LeaveOut(1);
    }
  }
}

LineWriter::LineWriter(int descriptor, TellLeftOut tell)
    : state_(std::make_shared<State>(descriptor, std::move(tell))) {
  StartWithoutSignals([state = state_] {
    pthread_setname_np(pthread_self(), "log-writer");
    state->Run();
  });
}

LineWriter::~LineWriter() {
  AwaitWrittenLines(kMostAtEnd);
  {
    const std::lock_guard lock(state_->mutex);
    state_->LeaveOut(state_->lines.size());
    state_->lines.clear();
    state_->ending = true;
  }
  state_->changed.notify_one();
}

void LineWriter::Write(std::string line) { state_->Add(std::move(line)); }

std::uint64_t LeftOutLines() { return left_out_lines; }

void AwaitWrittenLines(std::chrono::milliseconds most) {
  constexpr timespec kMillisecond{.tv_sec = 0, .tv_nsec = 1'000'000};
  for (auto waited = most; unwritten_lines > 0 && waited.count() > 0; --waited) nanosleep(&kMillisecond, nullptr);
}

}  // namespace tensorferry::config
