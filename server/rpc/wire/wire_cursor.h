// Functions that the readers of all protocols share: they read a message in place if it is written as usual.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "payload/scattered_bytes.h"
#include "payload/shape.h"
#include "rpc/wire/wire_format.h"

namespace tensorferry::rpc {

// WireScratch is the memory in which Cursor puts together a text that goes on from one piece of the message to the
// next.
using WireScratch = std::array<char, 1024>;

// The longest text, in bytes, that Cursor reads. Protobuf's parser reads a longer text, and the checks after it refuse
// the request.
inline constexpr std::size_t kMaxText = 512;

// A Cursor is a place in a message that lies in pieces. Its functions return false at the end of the message, or if
// something unusual comes; the cursor must not be used any more then.
class Cursor {
 public:
  Cursor(std::span<const Bytes> pieces, WireScratch& scratch) : piece_(pieces.data()), scratch_(scratch) {
    for (const Bytes& piece : pieces) size_ += piece.size();
  }

  std::size_t position() const { return position_; }
  std::size_t size() const { return size_; }

  bool ReadByte(std::uint8_t& byte) {
    if (position_ == size_) return false;
    SkipEmptyPieces();
    byte = static_cast<std::uint8_t>((*piece_)[offset_]);
    ++offset_;
    ++position_;
    return true;
  }

  // Reads a varint that is written in the shortest form.
  bool ReadVarint(std::uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      std::uint8_t byte = 0;
      if (!ReadByte(byte) || (shift == 63 && byte > 1)) return false;
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return byte != 0 || shift == 0;
    }
    return false;
  }

  // Reads an enumerator below 128.
  bool ReadSmall(std::uint8_t& value) { return ReadByte(value) && value < 0x80; }

  bool ReadBool(bool& value) {
    std::uint8_t byte = 0;
    if (!ReadByte(byte) || byte > 1) return false;
    value = byte == 1;
    return true;
  }

  // Reads a length. Returns false if the message has fewer bytes left.
  bool ReadLength(std::size_t& length) {
    std::uint64_t value = 0;
    if (!ReadVarint(value) || value > size_ - position_) return false;
    length = static_cast<std::size_t>(value);
    return true;
  }

  bool ReadBytes(ScatteredBytes& bytes) {
    std::size_t length = 0;
    if (!ReadLength(length)) return false;
    bytes = ScatteredBytes(piece_, offset_, length);
    Skip(length);
    return true;
  }

  // Reads a text of ASCII. `text` points into the message, or into the scratch memory if the text lies in several
  // pieces.
  bool ReadText(std::string_view& text) {
    std::size_t length = 0;
    if (!ReadLength(length) || length > kMaxText) return false;
    if (length == 0) {
      text = {};
      return true;
    }
    SkipEmptyPieces();
    const char* begin = reinterpret_cast<const char*>(piece_->data() + offset_);
    if (length <= piece_->size() - offset_) {
      Skip(length);
    } else {
      if (length > scratch_.size() - scratch_used_) return false;
      char* const copy = scratch_.data() + scratch_used_;
      scratch_used_ += length;
      for (std::size_t i = 0; i < length; ++i) {
        std::uint8_t byte = 0;
        if (!ReadByte(byte)) return false;
        copy[i] = static_cast<char>(byte);
      }
      begin = copy;
    }
    text = {begin, length};
    return std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
  }

 private:
  void SkipEmptyPieces() {
    while (offset_ == piece_->size()) {
      ++piece_;
      offset_ = 0;
    }
  }

  void Skip(std::size_t count) {  // `count` is at most what the message has left.
    position_ += count;
    while (count > 0) {
      SkipEmptyPieces();
      const std::size_t step = std::min(count, piece_->size() - offset_);
      offset_ += step;
      count -= step;
    }
  }

  const Bytes* piece_;
  WireScratch& scratch_;
  std::size_t size_ = 0;      // Bytes of the message.
  std::size_t position_ = 0;  // Offset in the message.
  std::size_t offset_ = 0;    // Offset in *piece_.
  std::size_t scratch_used_ = 0;
};

// FieldOrder checks that fields come as every generated writer writes them: in the order of their numbers, and each
// once, but for the fields from `first_repeated` on.
class FieldOrder {
 public:
  explicit FieldOrder(int first_repeated) : first_repeated_(first_repeated) {}
  bool Accept(std::uint8_t tag) {
    const int field = FieldOf(tag);
    if (field < last_ || (field == last_ && field < first_repeated_)) return false;
    last_ = field;
    return true;
  }

 private:
  const int first_repeated_;
  int last_ = 0;
};
inline constexpr int kNoneRepeated = std::numeric_limits<int>::max();

// Reads packed dimensions. Returns false if there are more than an array may have.
inline bool ReadShape(Cursor& cursor, Shape& shape) {
  std::size_t length = 0;
  if (!cursor.ReadLength(length)) return false;
  const std::size_t end = cursor.position() + length;
  while (cursor.position() < end) {
    std::uint64_t dim = 0;
    if (shape.size() == kMaxNdim || !cursor.ReadVarint(dim)) return false;
    shape.push_back(static_cast<std::int64_t>(dim));
  }
  return cursor.position() == end;
}

}  // namespace tensorferry::rpc
