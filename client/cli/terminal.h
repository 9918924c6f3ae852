#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tensorferry::cli {

// PrintError writes one line to standard error: "tensorferry: x.npy: …". On a terminal it takes the place of a bar.
void PrintError(std::string_view message);

// TextWidth counts the characters of UTF-8 text: every byte but those that continue one.
std::size_t TextWidth(std::string_view text);

// Rows of cells as lines, the cells of a column below each other. No blanks at the end of a line.
std::string Align(const std::vector<std::vector<std::string>>& rows);

// Returns `text` in red or green if standard output is a terminal and NO_COLOR is not set.
enum class Color : std::uint8_t { kRed, kGreen };
std::string Colored(Color color, std::string_view text);

// ProgressBar draws a bar on standard error, if that is a terminal, for large arrays and for many that take long: how
// much is done, how fast, and how long the rest will take at that speed. Its destructor removes the bar.
class ProgressBar {
 public:
  ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  ~ProgressBar();

  // Sent says how many bytes of one array have been sent.
  void Sent(std::uint64_t sent, std::uint64_t total);

  // Answered says of how many arrays the answer has come.
  void Answered(std::uint64_t arrays, std::uint64_t total);

 private:
  using Clock = std::chrono::steady_clock;
  void Draw(std::uint64_t percent, const std::string& text);

  const bool shown_;
  const Clock::time_point begin_ = Clock::now();
  Clock::time_point array_begin_ = begin_;  // When the array began that Sent tells of.
  std::uint64_t sent_ = 0;                  // Bytes of that array.
  std::uint64_t percent_ = 101;             // The percentage drawn last; 101 stands for none.
};

// TimeText writes a time for people: "0:07", "1:02:30".
std::string TimeText(std::chrono::seconds time);

}  // namespace tensorferry::cli
