#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace tensorferry::core {

// Layout says where the elements of an array lie, and how their bytes are to be changed on the way.
struct Layout {
  struct Dimension {
    std::size_t size = 0;
    std::ptrdiff_t stride = 0;  // In bytes.
  };

  const std::byte* data = nullptr;  // The first element.
  std::size_t itemsize = 0;
  std::size_t swapped = 0;       // Bytes of each number, whose order is to be reversed; 0: of none.
  bool is_bool = false;          // What is not 0 is to be 1.
  std::vector<Dimension> shape;  // The slowest dimension comes first.
};

// ElementReader reads the elements of an array from the first to the last.
class ElementReader {
 public:
  explicit ElementReader(Layout layout);

  // Returns the bytes of the elements that are still to be read.
  std::size_t left() const { return left_; }
  std::size_t itemsize() const { return layout_.itemsize; }

  // is_plain says whether the memory has the elements as they are to be read, in one piece.
  bool is_plain() const { return is_plain_; }

  // Take returns the next `nbytes`, of at most left(), from where they lie. It is for plain memory.
  std::span<const std::byte> Take(std::size_t nbytes);

  // Copies the next elements to `to`, which has room for whole ones, and at most for those that are left.
  void Copy(std::span<std::byte> to);

 private:
  std::size_t CopyRow(std::byte* to, std::size_t count);
  void NextRow();

  Layout layout_;
  Layout::Dimension row_;           // The fastest dimension.
  std::vector<std::size_t> place_;  // Index in each of the slower dimensions.
  const std::byte* start_;          // The first element of the row.
  std::size_t column_ = 0;
  std::size_t left_;
  bool is_plain_;
};

}  // namespace tensorferry::core
