#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tensorferry::cli {

// PrintError writes one line to standard error: "tensorferry: x.npy: …".
void PrintError(std::string_view message);

// TextWidth counts the characters of UTF-8 text: every byte but those that continue one.
std::size_t TextWidth(std::string_view text);

// Rows of cells as lines, the cells of a column below each other. No blanks at the end of a line.
std::string Align(const std::vector<std::vector<std::string>>& rows);

// Returns `text` in red or green if standard output is a terminal and NO_COLOR is not set.
enum class Color : std::uint8_t { kRed, kGreen };
std::string Colored(Color color, std::string_view text);

// ProgressBar draws a bar on standard error for long uploads, if that is a terminal. Its destructor removes the bar.
class ProgressBar {
 public:
  ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  ~ProgressBar();
  void Update(std::uint64_t sent, std::uint64_t total);

 private:
  const bool shown_;
  std::uint64_t percent_ = 101;  // The percentage drawn last; 101 stands for none.
};

}  // namespace tensorferry::cli
