#include "rpc/wire/wire_writer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/reversed.h"
#include "rpc/wire/shrink.h"

namespace tensorferry::rpc {
namespace {

// From this many bytes on, a byte field is referenced. Fewer bytes are copied, since a reference costs gRPC more than
// the copy.
constexpr std::size_t kReferenceFrom = 1024;

// The memory that a writer begins with, and the most that it keeps from one message to the next.
constexpr std::size_t kUsualBytes = 512;
constexpr std::size_t kMostKeptBytes = 8 << 10;

grpc::Slice SliceOf(std::span<const std::byte> bytes, std::shared_ptr<const void> owner) {
  if (owner == nullptr) return {bytes.data(), bytes.size()};
  auto* const kept = new std::shared_ptr<const void>(std::move(owner));
  return {const_cast<std::byte*>(bytes.data()), bytes.size(),  // gRPC only reads the bytes.
          [](void* owner_pointer) { delete static_cast<std::shared_ptr<const void>*>(owner_pointer); }, kept};
}

}  // namespace

WireWriter::WireWriter() : memory_(kUsualBytes) {}

void WireWriter::Clear() {
  written_ = referenced_ = 0;
  if (memory_.size() > kMostKeptBytes) memory_ = std::vector<std::byte>(kUsualBytes);
  ClearAndShrink(references_);
}

void WireWriter::Varint(int field, std::uint64_t value) {
  if (value != 0) OneofVarint(field, value);
}

void WireWriter::OneofVarint(int field, std::uint64_t value) {
  PrependVarint(value);
  PrependTag(field, kVarint);
}

void WireWriter::Text(int field, std::string_view text) {
  if (!text.empty()) RepeatedText(field, text);
}

void WireWriter::RepeatedText(int field, std::string_view text) {
  PrependBytes(text.data(), text.size());
  PrependVarint(text.size());
  PrependTag(field, kLengthDelimited);
}

void WireWriter::Packed(int field, std::span<const std::int64_t> values) {
  if (values.empty()) return;
  const std::size_t end = size();
  for (std::size_t i = values.size(); i-- > 0;) PrependVarint(static_cast<std::uint64_t>(values[i]));
  Nested(field, end);
}

void WireWriter::Nested(int field, std::size_t end) {
  PrependVarint(size() - end);
  PrependTag(field, kLengthDelimited);
}

void WireWriter::OneofBytes(int field, std::span<const std::byte> bytes, std::shared_ptr<const void> owner) {
  if (bytes.size() < kReferenceFrom) {
    PrependBytes(bytes.data(), bytes.size());
  } else {
    references_.push_back({written_, SliceOf(bytes, std::move(owner))});
    referenced_ += bytes.size();
  }
  PrependVarint(bytes.size());
  PrependTag(field, kLengthDelimited);
}

OutgoingMessage WireWriter::Finish() {
  OutgoingMessage message = Join();
  Clear();
  return message;
}

OutgoingMessage WireWriter::Join() {
  const std::byte* const end = memory_.data() + memory_.size();
  if (references_.empty()) {
    const grpc::Slice whole(end - written_, written_);
    return {&whole, 1, written_};
  }
  std::vector<grpc::Slice> slices;
  std::size_t left = written_;
  for (Reference& reference : Reversed(references_)) {
    slices.emplace_back(end - left, left - reference.from_end);
    slices.push_back(std::move(reference.bytes));
    left = reference.from_end;
  }
  if (left > 0) slices.emplace_back(end - left, left);
  return {slices.data(), slices.size(), written_};
}

void WireWriter::Grow(std::size_t count) {
  std::vector<std::byte> larger(std::max(2 * memory_.size(), written_ + count));
  std::copy_n(memory_.end() - static_cast<std::ptrdiff_t>(written_), written_,
              larger.end() - static_cast<std::ptrdiff_t>(written_));
  memory_ = std::move(larger);
}

void WireWriter::PrependBytes(const void* bytes, std::size_t count) {
  if (count > 0) std::memcpy(Prepend(count), bytes, count);
}

void WireWriter::PrependVarint(std::uint64_t value) {
  if (value < 0x80) {
    *Prepend(1) = static_cast<std::byte>(value);
    return;
  }
  std::byte encoded[10];
  std::size_t count = 0;
  for (; value >= 0x80; value >>= 7) encoded[count++] = static_cast<std::byte>(value | 0x80);
  encoded[count++] = static_cast<std::byte>(value);
  PrependBytes(encoded, count);
}

void WireWriter::PrependTag(int field, WireType type) { PrependVarint(MakeTag(field, type)); }

}  // namespace tensorferry::rpc
