#include "response.h"

#include <grpcpp/support/slice.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

namespace tensorferry::core {
namespace {

constexpr std::size_t kMinSplit = std::size_t{1} << 16;  // Bytes. Below, protobuf's copies cost less.
constexpr std::uint8_t kLengthDelimited = 2;
constexpr std::uint8_t kTypeMask = 7;
constexpr std::uint8_t kTensorsTag = 5 << 3 | kLengthDelimited;   // ConvertResponse.tensors
constexpr std::uint8_t kOutputsTag = 6 << 3 | kLengthDelimited;   // ConvertResponse.outputs
constexpr std::uint8_t kDataTag = 2 << 3 | kLengthDelimited;      // Tensor.data
constexpr std::uint8_t kResponseTag = 1 << 3 | kLengthDelimited;  // ConvertStreamResponse.response
constexpr std::uint8_t kChunkTag = 2 << 3 | kLengthDelimited;     // ConvertStreamResponse.chunk

// Reader is a place in a message that lies in pieces. Its functions return false where the message has too few bytes.
class Reader {
 public:
  explicit Reader(const std::vector<grpc::Slice>& pieces) : piece_(pieces.data()) {
    for (const grpc::Slice& piece : pieces) left_ += piece.size();
  }

  std::size_t left() const { return left_; }

  bool Read(void* to, std::size_t count) {
    if (count > left_) return false;
    left_ -= count;
    for (auto* next = static_cast<std::byte*>(to); count > 0;) {
      for (; offset_ == piece_->size(); offset_ = 0) ++piece_;
      const std::size_t step = std::min(count, piece_->size() - offset_);
      std::memcpy(next, piece_->begin() + offset_, step);
      next += step;
      offset_ += step;
      count -= step;
    }
    return true;
  }

  // Appends the next `count` bytes.
  bool Read(std::string& to, std::size_t count) {
    if (count > left_) return false;
    const std::size_t size = to.size();
    to.resize(size + count);
    return Read(to.data() + size, count);
  }

  bool ReadVarint(std::uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      std::uint8_t byte = 0;
      if (!Read(&byte, 1)) return false;
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

 private:
  const grpc::Slice* piece_;
  std::size_t offset_ = 0;  // In *piece_.
  std::size_t left_ = 0;    // Bytes of the message.
};

void AppendVarint(std::string& to, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) to.push_back(static_cast<char>(value | 0x80));
  to.push_back(static_cast<char>(value));
}

// Field is the beginning of a field. `value` is its length if it has one, else the number that it holds.
struct Field {
  std::uint8_t tag = 0;
  std::uint64_t value = 0;

  bool has_length() const { return (tag & kTypeMask) == kLengthDelimited; }
};

// ReadField returns false for tags of more than one byte, and for types that no message of the service has.
bool ReadField(Reader& reader, Field& field) {
  if (!reader.Read(&field.tag, 1) || field.tag >= 0x80 || !reader.ReadVarint(field.value)) return false;
  return field.has_length() ? field.value <= reader.left() : (field.tag & kTypeMask) == 0;
}

bool CopyField(Reader& reader, const Field& field, std::string& to) {
  to.push_back(static_cast<char>(field.tag));
  AppendVarint(to, field.value);
  return !field.has_length() || reader.Read(to, field.value);
}

// SplitTensor reads a Tensor of `nbytes` bytes. Returns false if its data are followed by another field: of the members
// of a oneof the last one counts, which protobuf knows.
bool SplitTensor(Reader& reader, std::size_t nbytes, std::string& rest, std::optional<Elements>& elements) {
  const std::size_t end = reader.left() - nbytes;
  while (reader.left() > end) {
    Field field;
    if (elements || !ReadField(reader, field)) return false;
    if (field.tag != kDataTag) {
      if (!CopyField(reader, field, rest)) return false;
      continue;
    }
    elements = Elements{std::make_unique_for_overwrite<std::byte[]>(field.value), field.value};
    if (!reader.Read(elements->bytes.get(), field.value)) return false;
  }
  return reader.left() == end;
}

bool SplitMessage(Reader& reader, SplitResponse& response) {
  std::vector<std::optional<Elements>> outputs;
  while (reader.left() > 0) {
    Field field;
    if (!ReadField(reader, field)) return false;
    if (field.tag != kTensorsTag && field.tag != kOutputsTag) {
      if (!CopyField(reader, field, response.rest)) return false;
      continue;
    }
    std::string tensor;
    auto& elements = (field.tag == kTensorsTag ? response.elements : outputs).emplace_back();
    if (!SplitTensor(reader, field.value, tensor, elements)) return false;
    response.rest.push_back(static_cast<char>(field.tag));
    AppendVarint(response.rest, tensor.size());
    response.rest += tensor;
  }
  std::ranges::move(outputs, std::back_inserter(response.elements));
  return true;
}

std::vector<grpc::Slice> PiecesOf(const grpc::ByteBuffer& message) {
  std::vector<grpc::Slice> pieces;
  if (message.Valid()) message.Dump(&pieces).ok();
  return pieces;
}

}  // namespace

SplitResponse Split(const grpc::ByteBuffer& message) {
  SplitResponse response;
  if (message.Length() >= kMinSplit) {
    const std::vector<grpc::Slice> pieces = PiecesOf(message);
    Reader reader(pieces);
    if (SplitMessage(reader, response)) return response;
  }
  return {.rest = Whole(message), .elements = {}};
}

std::optional<SplitResponse> SplitStreamed(const grpc::ByteBuffer& message) {
  if (message.Length() < kMinSplit) return std::nullopt;
  const std::vector<grpc::Slice> pieces = PiecesOf(message);
  Reader reader(pieces);
  Field field;
  if (!ReadField(reader, field) || field.tag != kResponseTag || field.value != reader.left()) return std::nullopt;
  SplitResponse response;
  if (!SplitMessage(reader, response)) return std::nullopt;
  return response;
}

std::optional<std::size_t> CopyChunk(const grpc::ByteBuffer& message, std::span<std::byte> room) {
  const std::vector<grpc::Slice> pieces = PiecesOf(message);
  Reader reader(pieces);
  Field field;
  if (!ReadField(reader, field) || field.tag != kChunkTag || field.value != reader.left()) return std::nullopt;
  if (field.value > room.size() || !reader.Read(room.data(), field.value)) return std::nullopt;
  return field.value;
}

std::string Whole(const grpc::ByteBuffer& message) {
  const std::vector<grpc::Slice> pieces = PiecesOf(message);
  Reader reader(pieces);
  std::string whole;
  reader.Read(whole, reader.left());
  return whole;
}

}  // namespace tensorferry::core
