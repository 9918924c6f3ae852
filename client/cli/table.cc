#include "cli/table.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "cli/terminal.h"

namespace tensorferry::cli {
namespace {

constexpr std::size_t kGap = 2;         // Blanks between two columns.
constexpr std::size_t kLeastLast = 16;  // The last column is not made narrower than this.

}  // namespace

void Table::Add(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = OneLine(cell);
  rows_.push_back(std::move(cells));
}

std::vector<std::size_t> Table::Widths() const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = TextWidth(columns_[i].title);
    for (const auto& row : rows_) width = std::max(width, TextWidth(row[i]));
    widths.push_back(width);
  }
  return widths;
}

std::string Table::Line(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths) const {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string blanks(widths[i] - std::min(widths[i], TextWidth(cells[i])), ' ');
    if (i > 0) line.append(kGap, ' ');
    line += columns_[i].edge == Column::Edge::kRight ? blanks + cells[i] : cells[i] + blanks;
  }
  line.resize(line.find_last_not_of(' ') + 1);
  return line + '\n';
}

std::string Table::ToText(std::size_t width) const {
  const std::vector<std::size_t> widths = Widths();
  std::size_t before = 0;  // The characters of a line before its last column.
  for (std::size_t i = 0; i + 1 < widths.size(); ++i) before += widths[i] + kGap;
  const bool wraps = width > 0 && columns_.back().edge == Column::Edge::kLeft;
  const std::size_t room =
      wraps ? std::max(kLeastLast, width - std::min(width, before)) : std::numeric_limits<std::size_t>::max();
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.emplace_back(column.title);
  std::string text = Line(titles, widths);
  for (std::vector<std::string> cells : rows_) {
    for (const std::string& piece : Wrapped(cells.back(), room)) {
      cells.back() = piece;
      text += Line(cells, widths);
      std::ranges::fill(cells, "");
    }
  }
  return text;
}

std::vector<std::string> Wrapped(const std::string& text, std::size_t width) {
  std::vector<std::string> pieces{""};
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    std::string& piece = pieces.back();
    if (piece.empty()) {
      piece = word;
    } else if (TextWidth(piece) + 1 + TextWidth(word) <= width) {
      piece += ' ' + word;
    } else {
      pieces.push_back(word);
    }
    begin = end + 1;
  }
  return pieces;
}

std::size_t TableWidth() {
  constexpr std::size_t kUsual = 80;
  if (isatty(STDOUT_FILENO) == 0) return 0;
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kUsual;
}

std::string NumberText(double number) {
  return std::isfinite(number) ? fmt::format("{:.{}f}", number, number < 100 ? 1 : 0) : "-";
}

double Mean(double sum, std::uint64_t count) {
  return count > 0 ? sum / static_cast<double>(count) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace tensorferry::cli
