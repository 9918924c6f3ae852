#include "rpc/wire_reader.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>

namespace tensorferry::rpc {
namespace {

// Field numbers and wire types of proto/tensorferry/v1/tensor_service.proto, as one byte on the wire.
enum WireType : std::uint8_t { kVarint = 0, kLengthDelimited = 2 };
constexpr std::uint8_t Tag(int field, WireType type) { return static_cast<std::uint8_t>(field << 3 | type); }

// Texts longer than any that is accepted, more arrays, more dimensions: protobuf's to read, and then ours to refuse.
constexpr std::size_t kMaxText = 512;

// A place in a message that lies in pieces. Functions return false at the end of the message, or where the wire is
// unusual; the cursor is of no further use then.
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

  // In the shortest form.
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

  // An enumerator or bool.
  bool ReadSmall(std::uint8_t& value) { return ReadByte(value) && value < 0x80; }

  bool ReadBool(bool& value) {
    std::uint8_t byte = 0;
    if (!ReadByte(byte) || byte > 1) return false;
    value = byte == 1;
    return true;
  }

  // A length, and that many bytes are there.
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

  // ASCII, in one place.
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

  void Skip(std::size_t count) {  // No more than there are.
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
  std::size_t size_ = 0;      // Of the message.
  std::size_t position_ = 0;  // In the message.
  std::size_t offset_ = 0;    // In *piece_.
  std::size_t scratch_used_ = 0;
};

// Fields in the order of their numbers, each once but the last ones, which are repeated: as every generated writer
// writes them.
class FieldOrder {
 public:
  explicit FieldOrder(int first_repeated) : first_repeated_(first_repeated) {}
  bool Accept(std::uint8_t tag) {
    const int field = tag >> 3;
    if (field < last_ || (field == last_ && field < first_repeated_)) return false;
    last_ = field;
    return true;
  }

 private:
  const int first_repeated_;
  int last_ = 0;
};
constexpr int kNoneRepeated = std::numeric_limits<int>::max();

bool ReadShape(Cursor& cursor, Shape& shape) {
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

bool ReadArray(Cursor& cursor, ArrayView& array) {
  std::size_t length = 0;
  if (!cursor.ReadLength(length)) return false;
  const std::size_t end = cursor.position() + length;
  FieldOrder order(kNoneRepeated);
  const auto read_payload = [&](PayloadKind kind) {
    if (array.payload != PayloadKind::kNone) return false;
    array.payload = kind;
    return kind == PayloadKind::kChunked ? cursor.ReadVarint(array.chunked_nbytes) : cursor.ReadBytes(array.bytes);
  };
  const auto read_field = [&](std::uint8_t tag) {
    switch (tag) {
      case Tag(1, kLengthDelimited): return cursor.ReadText(array.name);
      case Tag(2, kLengthDelimited): return cursor.ReadText(array.dtype);
      case Tag(3, kLengthDelimited): return ReadShape(cursor, array.shape);
      case Tag(4, kVarint): return cursor.ReadBool(array.fortran_order);
      case Tag(5, kLengthDelimited): return read_payload(PayloadKind::kData);
      case Tag(6, kLengthDelimited): return read_payload(PayloadKind::kNpy);
      case Tag(7, kVarint): return read_payload(PayloadKind::kChunked);
      default: return false;
    }
  };
  while (cursor.position() < end) {
    std::uint8_t tag = 0;
    if (!cursor.ReadByte(tag) || !order.Accept(tag) || !read_field(tag)) return false;
  }
  return cursor.position() == end;
}

bool ReadRequest(Cursor& cursor, std::size_t end, RequestView& view) {
  view.requested_outputs.clear();
  view.arrays.clear();
  view.request_id = view.model_name = view.model_version = {};
  std::uint8_t fidelity = 0;
  std::uint8_t digest = 0;
  view.return_data = false;
  const auto read_output = [&] {
    if (view.requested_outputs.size() == kMaxArrays) return false;
    return cursor.ReadText(view.requested_outputs.emplace_back());
  };
  const auto read_array = [&] {
    return view.arrays.size() < kMaxArrays && ReadArray(cursor, view.arrays.emplace_back());
  };
  const auto read_field = [&](std::uint8_t tag) {
    switch (tag) {
      case Tag(1, kLengthDelimited): return cursor.ReadText(view.request_id);
      case Tag(2, kLengthDelimited): return cursor.ReadText(view.model_name);
      case Tag(3, kLengthDelimited): return cursor.ReadText(view.model_version);
      case Tag(4, kVarint): return cursor.ReadSmall(fidelity);
      case Tag(5, kVarint): return cursor.ReadSmall(digest);
      case Tag(6, kVarint): return cursor.ReadBool(view.return_data);
      case Tag(7, kLengthDelimited): return read_output();
      case Tag(8, kLengthDelimited): return read_array();
      default: return false;
    }
  };
  FieldOrder order(/*first_repeated=*/7);
  while (cursor.position() < end) {
    std::uint8_t tag = 0;
    if (!cursor.ReadByte(tag) || !order.Accept(tag) || !read_field(tag)) return false;
  }
  view.strict = fidelity == 2;
  view.digest = digest == 1;
  return cursor.position() == end;
}

}  // namespace

bool ReadConvertRequest(std::span<const Bytes> message, WireScratch& scratch, RequestView& view) {
  Cursor cursor(message, scratch);
  return ReadRequest(cursor, cursor.size(), view);
}

bool ReadStreamRequest(std::span<const Bytes> message, WireScratch& scratch, StreamPart& part, RequestView& view,
                       ScatteredBytes& chunk) {
  Cursor cursor(message, scratch);
  std::uint8_t tag = 0;
  if (!cursor.ReadByte(tag)) return false;
  switch (tag) {
    case Tag(1, kLengthDelimited): {
      std::size_t length = 0;
      part = StreamPart::kRequest;
      return cursor.ReadLength(length) && cursor.position() + length == cursor.size() &&
             ReadRequest(cursor, cursor.size(), view);
    }
    case Tag(2, kLengthDelimited):
      part = StreamPart::kChunk;
      return cursor.ReadBytes(chunk) && cursor.position() == cursor.size();
    default: return false;
  }
}

}  // namespace tensorferry::rpc
