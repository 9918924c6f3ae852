#include "cli/terminal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "base/text.h"

namespace tensorferry::cli {
namespace {

constexpr std::uint64_t kLongUpload = std::uint64_t{64} << 20;  // Bytes.

bool UsesColor() {
  const char* const no_color = std::getenv("NO_COLOR");
  return isatty(STDOUT_FILENO) != 0 && (no_color == nullptr || *no_color == '\0');
}

}  // namespace

void PrintError(std::string_view message) { fmt::print(stderr, "tensorferry: {}\n", OneLine(message)); }

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

void ProgressBar::Update(std::uint64_t sent, std::uint64_t total) {
  constexpr std::size_t kBar = 40;
  if (!shown_ || total < kLongUpload) return;
  const std::uint64_t percent =
      static_cast<std::uint64_t>(static_cast<double>(sent) / static_cast<double>(total) * 100);
  if (percent == percent_) return;
  percent_ = percent;
  const std::string done(kBar * percent / 100, '#');
  fmt::print(stderr, "\r[{:<{}}] {:>3}%  {} of {}\x1b[K", done, kBar, percent, SizeText(sent), SizeText(total));
}

}  // namespace tensorferry::cli
