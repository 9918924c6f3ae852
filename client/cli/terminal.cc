#include "cli/terminal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "base/text.h"

namespace tensorferry::cli {
namespace {

constexpr double kLongTime = 1;                                 // Seconds.
constexpr std::uint64_t kLongUpload = std::uint64_t{64} << 20;  // Bytes.

using std::chrono::steady_clock;

// Returns a time above 0, by which can be divided.
double SecondsSince(steady_clock::time_point begin) {
  return std::max(1e-6, std::chrono::duration<double>(steady_clock::now() - begin).count());
}

std::uint64_t Percent(std::uint64_t done, std::uint64_t total) {
  return static_cast<std::uint64_t>(static_cast<double>(done) / static_cast<double>(total) * 100);
}

std::string LeftText(double seconds) {
  constexpr double kDay = 24 * 60 * 60;
  return seconds < kDay ? TimeText(std::chrono::seconds(std::llround(std::ceil(seconds)))) + " left" : "";
}

bool UsesColor() {
  const char* const no_color = std::getenv("NO_COLOR");
  return isatty(STDOUT_FILENO) != 0 && (no_color == nullptr || *no_color == '\0');
}

}  // namespace

void PrintError(std::string_view message) {
  const char* const without_bar = isatty(STDERR_FILENO) != 0 ? "\r\x1b[K" : "";
  fmt::print(stderr, "{}tensorferry: {}\n", without_bar, OneLine(message));
}

std::size_t TextWidth(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string Align(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], TextWidth(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      line.append(widths[i] - TextWidth(row[i]) + 2, ' ');
    }
    line.resize(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

std::string Colored(Color color, std::string_view text) {
  if (!UsesColor()) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", color == Color::kRed ? 31 : 32, text);
}

ProgressBar::ProgressBar() : shown_(isatty(STDERR_FILENO) != 0) {}

ProgressBar::~ProgressBar() {
  if (percent_ <= 100) fmt::print(stderr, "\r\x1b[K");
}

void ProgressBar::Sent(std::uint64_t sent, std::uint64_t total) {
  if (!shown_ || total < kLongUpload) return;
  if (sent < sent_) array_begin_ = Clock::now();
  sent_ = sent;
  const double speed = static_cast<double>(sent) / SecondsSince(array_begin_);
  Draw(Percent(sent, total),
       fmt::format("{} of {}  {}/s  {}", SizeText(sent), SizeText(total), SizeText(static_cast<std::uint64_t>(speed)),
                   LeftText(static_cast<double>(total - sent) / speed)));
}

void ProgressBar::Answered(std::uint64_t arrays, std::uint64_t total) {
  const double seconds = SecondsSince(begin_);
  if (!shown_ || total < 2 || arrays == 0 || seconds < kLongTime) return;
  const double speed = static_cast<double>(arrays) / seconds;
  Draw(Percent(arrays, total), fmt::format("{} of {} arrays  {:.0f}/s  {}", arrays, total, speed,
                                           LeftText(static_cast<double>(total - arrays) / speed)));
}

void ProgressBar::Draw(std::uint64_t percent, const std::string& text) {
  constexpr std::size_t kBar = 24;  // With the text behind it, less than 80 characters.
  if (percent == percent_) return;
  percent_ = percent;
  const std::string done(kBar * percent / 100, '#');
  fmt::print(stderr, "\r[{:<{}}] {:>3}%  {}\x1b[K", done, kBar, percent, text);
}

std::string TimeText(std::chrono::seconds time) {
  const auto seconds = time.count();
  const std::string rest = fmt::format("{:02}", seconds % 60);
  return seconds < 3600 ? fmt::format("{}:{}", seconds / 60, rest)
                        : fmt::format("{}:{:02}:{}", seconds / 3600, seconds / 60 % 60, rest);
}

}  // namespace tensorferry::cli
