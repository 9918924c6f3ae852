#include "standard_streams.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>

namespace tensorferry {
namespace {

// LineLog makes lines of what is written in pieces.
class LineLog {
 public:
  using Level = spdlog::level::level_enum (*)();

  LineLog(std::string_view stream, Level level) : stream_(stream), level_(level) {}
  LineLog(const LineLog&) = delete;
  LineLog& operator=(const LineLog&) = delete;
  ~LineLog() {
    if (!line_.empty()) Log();
  }

  void Add(std::string_view text) {
    while (!text.empty()) {
      const std::size_t size = std::min({text.find('\n'), text.size(), kMaxLine - line_.size()});
      line_.append(text.substr(0, size));
      text.remove_prefix(size);
      const bool ends = text.starts_with('\n');
      if (ends) text.remove_prefix(1);
      if (ends || line_.size() == kMaxLine) Log();
    }
  }

 private:
  static constexpr std::size_t kMaxLine = 4096;  // Longer lines become several.

  void Log() {
    spdlog::log(level_(), "{}: {}", stream_, line_);
    line_.clear();
  }

  const std::string_view stream_;
  const Level level_;
  std::string line_;
};

spdlog::level::level_enum Debug() { return spdlog::level::debug; }

// The C library and libraries in C tell on stderr why they end the process, and nothing in its usual work. What a caller
// might make them write, if there is such a thing, must not fill the log.
spdlog::level::level_enum WarningAtFirst() {
  constexpr int kMostWarnings = 100;
  static std::atomic<int> lines = 0;
  return lines < kMostWarnings && lines++ < kMostWarnings ? spdlog::level::warn : spdlog::level::debug;
}

void AddToOutput(std::string_view text) {
  thread_local LineLog log("stdout", Debug);
  log.Add(text);
}

void AddToError(std::string_view text) {
  thread_local LineLog log("stderr", Debug);
  log.Add(text);
}

void AddToErrorOfC(std::string_view text) {
  thread_local LineLog log("stderr", WarningAtFirst);
  log.Add(text);
}

// LogBuffer hands on what is written at once: it keeps nothing itself that threads could share.
class LogBuffer final : public std::streambuf {
 public:
  using Add = void (*)(std::string_view);

  explicit LogBuffer(Add add) : add_(add) {}

 protected:
  int_type overflow(int_type character) override {
    if (character == traits_type::eof()) return traits_type::not_eof(character);
    const char written = traits_type::to_char_type(character);
    add_({&written, 1});
    return character;
  }

  std::streamsize xsputn(const char* text, std::streamsize size) override {
    add_({text, static_cast<std::size_t>(size)});
    return size;
  }

 private:
  const Add add_;
};

// Opens a file whose lines go to `add`, or returns `otherwise`.
template <void (*add)(std::string_view)>
std::FILE* OpenLogFile(std::FILE* otherwise) {
  const cookie_io_functions_t functions{.read = nullptr,
                                        .write =
                                            [](void*, const char* text, std::size_t size) {
                                              add({text, size});
                                              return static_cast<ssize_t>(size);
                                            },
                                        .seek = nullptr,
                                        .close = nullptr};
  std::FILE* const file = fopencookie(nullptr, "w", functions);
  if (file == nullptr) return otherwise;
  std::setvbuf(file, nullptr, _IOLBF, BUFSIZ);
  return file;
}

// Gives standard error, if it is a pipe, a description of its own that does not wait: abseil, and the C library when it
// finds memory damaged, write there directly. Where that cannot be, as under another user's pipe, it stays as it is.
void WriteErrorsWithoutWaiting() {
  struct stat status {};
  if (fstat(STDERR_FILENO, &status) != 0 || !S_ISFIFO(status.st_mode)) return;
  const int pipe = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (pipe < 0) return;
  dup2(pipe, STDERR_FILENO);
  close(pipe);
}

}  // namespace

void OpenClosedDescriptors() {
  for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(number, F_GETFD) >= 0) continue;
    if (open("/dev/null", O_RDWR) != number) return;  // The system has no such file: it stays as it is.
  }
}

StandardStreams::StandardStreams()
    : output_(stdout),
      error_(stderr),
      buffers_{std::make_unique<LogBuffer>(AddToOutput), std::make_unique<LogBuffer>(AddToError)},
      replaced_{{{std::cout, std::cout.rdbuf(buffers_[0].get())},
                 {std::cerr, std::cerr.rdbuf(buffers_[1].get())},
                 {std::clog, std::clog.rdbuf(buffers_[1].get())}}} {
  stdout = OpenLogFile<AddToOutput>(stdout);
  stderr = OpenLogFile<AddToErrorOfC>(stderr);
  WriteErrorsWithoutWaiting();
}

StandardStreams::~StandardStreams() {
  for (const Replaced& replaced : replaced_) replaced.stream.rdbuf(replaced.former);
  if (std::FILE* const file = std::exchange(stdout, output_); file != output_) std::fclose(file);
  if (std::FILE* const file = std::exchange(stderr, error_); file != error_) std::fclose(file);
}

}  // namespace tensorferry
