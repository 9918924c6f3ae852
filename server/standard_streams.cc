#include "standard_streams.h"

#include <spdlog/spdlog.h>

#include <algorithm>
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
  explicit LineLog(std::string_view stream) : stream_(stream) {}
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
    spdlog::debug("{}: {}", stream_, line_);
    line_.clear();
  }

  const std::string_view stream_;
  std::string line_;
};

void AddToOutput(std::string_view text) {
  thread_local LineLog log("stdout");
  log.Add(text);
}

void AddToError(std::string_view text) {
  thread_local LineLog log("stderr");
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

std::FILE* OpenLogFile() {
  const cookie_io_functions_t functions{.read = nullptr,
                                        .write =
                                            [](void*, const char* text, std::size_t size) {
                                              AddToOutput({text, size});
                                              return static_cast<ssize_t>(size);
                                            },
                                        .seek = nullptr,
                                        .close = nullptr};
  std::FILE* const file = fopencookie(nullptr, "w", functions);
  if (file != nullptr) std::setvbuf(file, nullptr, _IOLBF, BUFSIZ);
  return file;
}

}  // namespace

StandardStreams::StandardStreams()
    : output_(stdout),
      buffers_{std::make_unique<LogBuffer>(AddToOutput), std::make_unique<LogBuffer>(AddToError)},
      replaced_{{{std::cout, std::cout.rdbuf(buffers_[0].get())},
                 {std::cerr, std::cerr.rdbuf(buffers_[1].get())},
                 {std::clog, std::clog.rdbuf(buffers_[1].get())}}} {
  if (std::FILE* const file = OpenLogFile(); file != nullptr) stdout = file;
}

StandardStreams::~StandardStreams() {
  for (const Replaced& replaced : replaced_) replaced.stream.rdbuf(replaced.former);
  if (std::FILE* const file = std::exchange(stdout, output_); file != output_) std::fclose(file);
}

}  // namespace tensorferry
