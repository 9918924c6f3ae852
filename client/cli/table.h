#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tensorferry::cli {

// Column is one of a table: numbers stand at its right edge, text at its left.
struct Column {
  std::string_view title;  // A literal.
  enum class Edge : std::uint8_t { kLeft, kRight } edge = Edge::kLeft;
};

// Number and Text make columns.
constexpr Column Number(std::string_view title) { return {title, Column::Edge::kRight}; }
constexpr Column Text(std::string_view title) { return {title, Column::Edge::kLeft}; }

// Table writes rows below the titles of its columns.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // Adds a row of as many cells as there are columns. What other programs have named is made one line.
  void Add(std::vector<std::string> cells);

  bool empty() const { return rows_.empty(); }

  // ToText returns a line for the titles and one for each row. If `width` is not 0, what would make lines longer than
  // `width` goes on below itself, as far as the last column has blanks to break at.
  std::string ToText(std::size_t width) const;

 private:
  std::vector<std::size_t> Widths() const;
  std::string Line(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// Breaks text at blanks into pieces of at most `width` characters, as far as its words allow.
std::vector<std::string> Wrapped(const std::string& text, std::size_t width);

// TableWidth returns the columns of the terminal that standard output is, 80 if it does not say, and 0 if standard
// output is no terminal: other programs get a line for each row.
std::size_t TableWidth();

// NumberText writes one decimal for numbers below 100, none above, and "-" for what is no number.
std::string NumberText(double number);

// Mean returns `sum` / `count`, and no number if there is nothing to divide by.
double Mean(double sum, std::uint64_t count);

}  // namespace tensorferry::cli
