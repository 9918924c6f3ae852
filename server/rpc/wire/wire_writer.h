#pragma once

#include <grpcpp/support/slice.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "rpc/wire/outgoing_message.h"
#include "rpc/wire/wire_format.h"

namespace tensorferry::rpc {

// WireWriter writes protobuf's wire format from the end of a message to its beginning, so that the length of a nested
// message is known when it is needed. Large byte fields are referenced, not copied. Fields that hold their default are
// left out, as proto3 does. Some KiB of memory are kept for the next message.
class WireWriter {
 public:
  WireWriter();

  // Forgets what was written.
  void Clear();

  // Returns the bytes written so far, with those that are referenced.
  std::size_t size() const { return written_ + referenced_; }

  void Varint(int field, std::uint64_t value);
  void Text(int field, std::string_view text);
  void Packed(int field, std::span<const std::int64_t> values);
  // Makes a nested message of what was written since size() was `end`.
  void Nested(int field, std::size_t end);

  // These functions write a field even if it holds its default: an element of a repeated field, a member of a oneof.
  void RepeatedText(int field, std::string_view text);
  void OneofVarint(int field, std::uint64_t value);

  // `owner` keeps the bytes alive until gRPC has sent the message. If it is null, the bytes are copied.
  void RepeatedBytes(int field, std::span<const std::byte> bytes, std::shared_ptr<const void> owner) {
    OneofBytes(field, bytes, std::move(owner));
  }
  void OneofBytes(int field, std::span<const std::byte> bytes, std::shared_ptr<const void> owner);

  // Returns the message that was written, which keeps alive what it references, and forgets it.
  OutgoingMessage Finish();

 private:
  // A Reference is a range of bytes that lie elsewhere. `from_end` bytes of memory_ follow them in the message.
  struct Reference {
    std::size_t from_end;
    grpc::Slice bytes;
  };

  OutgoingMessage Join();
  // Makes room for `count` bytes before what was written. Inside the class: a reply calls it some forty times.
  std::byte* Prepend(std::size_t count) {
    if (count > memory_.size() - written_) [[unlikely]]
      Grow(count);
    written_ += count;
    return memory_.data() + (memory_.size() - written_);
  }
  void Grow(std::size_t count);
  void PrependBytes(const void* bytes, std::size_t count);
  void PrependVarint(std::uint64_t value);
  void PrependTag(int field, WireType type);

  std::vector<std::byte> memory_;  // Filled from its end.
  std::size_t written_ = 0;
  std::size_t referenced_ = 0;
  std::vector<Reference> references_;
};

}  // namespace tensorferry::rpc
