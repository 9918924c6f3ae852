#include "cli/live_screen.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <limits>
#include <string_view>

namespace tensorferry::cli {
namespace {

// The terminal's other screen keeps what was there before. The cursor is hidden, and long lines are cut.
constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l\x1b[?7l";
constexpr std::string_view kLeave = "\x1b[?7h\x1b[?25h\x1b[?1049l";

std::atomic<bool> screen_taken = false;

// A signal handler may call write and _exit, and little else.
void LeaveAtOnce(int) {
  if (screen_taken) (void)!write(STDOUT_FILENO, kLeave.data(), kLeave.size());
  _exit(0);
}

void Write(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace

LiveScreen::LiveScreen() : live_(isatty(STDOUT_FILENO) != 0) {
  struct sigaction action {};
  action.sa_handler = LeaveAtOnce;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  screen_taken = live_;
  if (live_) Write(kEnter);
}

LiveScreen::~LiveScreen() {
  if (live_) Write(kLeave);
  screen_taken = false;
}

std::size_t LiveScreen::Lines() const {
  constexpr std::size_t kUsual = 24;
  winsize size{};
  if (!live_) return std::numeric_limits<std::size_t>::max();
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : kUsual;
}

void LiveScreen::Show(const std::string& text) const {
  if (!live_) return Write(text);
  std::string lines = "\x1b[H";  // What is there is overwritten line by line, so that nothing flickers.
  for (const char c : text) {
    if (c == '\n') lines += "\x1b[K";
    lines += c;
  }
  Write(lines + "\x1b[J");
}

}  // namespace tensorferry::cli
