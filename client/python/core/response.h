#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tensorferry::core {

// Elements is the memory of one tensor's elements.
struct Elements {
  std::unique_ptr<std::byte[]> bytes;
  std::size_t nbytes = 0;
};

// SplitResponse is a ConvertResponse without the elements of its tensors, and these, each in memory of its own.
struct SplitResponse {
  std::string rest;
  // The elements of its tensors and then of its outputs, none for those without. Empty if `rest` is the whole message.
  std::vector<std::optional<Elements>> elements;
};

// Split cuts the elements out of a ConvertResponse, and copies them once. A message that is small, or not as the server
// writes it, is left whole for protobuf to read.
// Errors: std::bad_alloc.
SplitResponse Split(const grpc::ByteBuffer& message);

// SplitStreamed does the same with a ConvertStreamResponse that is a response. Returns none for other messages, and for
// those that Split would leave whole.
std::optional<SplitResponse> SplitStreamed(const grpc::ByteBuffer& message);

// CopyChunk copies the bytes of a ConvertStreamResponse that is a chunk into `room`, and returns how many they are.
// Returns none for other messages, and for chunks that do not fit.
std::optional<std::size_t> CopyChunk(const grpc::ByteBuffer& message, std::span<std::byte> room);

// Whole returns the bytes of a message.
std::string Whole(const grpc::ByteBuffer& message);

}  // namespace tensorferry::core
