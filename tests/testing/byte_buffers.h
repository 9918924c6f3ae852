#pragma once

#include <grpcpp/impl/grpc_library.h>
#include <grpcpp/support/byte_buffer.h>

#include <string>
#include <vector>

#include "rpc/wire/outgoing_message.h"

namespace tensorferry {

// grpc_library starts gRPC's core, which a ByteBuffer calls: tests of buffers alone have no server or channel to start
// it.
inline const grpc::internal::GrpcLibraryInitializer grpc_library;

inline grpc::ByteBuffer ToBytes(const std::string& text) {
  const grpc::Slice slice(text);
  return {&slice, 1};
}

inline std::string Concatenated(const grpc::ByteBuffer& bytes) {
  std::vector<grpc::Slice> slices;
  if (!bytes.Dump(&slices).ok()) std::abort();
  std::string text;
  for (const grpc::Slice& slice : slices) text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return text;
}

// RefersTo returns whether the message consists of a piece of its own and of `bytes`, where they are.
inline bool RefersTo(const grpc::ByteBuffer& message, const std::byte* bytes) {
  std::vector<grpc::Slice> slices;
  return message.Dump(&slices).ok() && slices.size() == 2 && static_cast<const void*>(slices[1].begin()) == bytes;
}

// Parse returns what a caller's generated code reads.
template <typename Message>
Message Parse(const grpc::ByteBuffer& bytes) {
  Message message;
  if (!message.ParseFromString(Concatenated(bytes))) std::abort();
  return message;
}
template <typename Message>
Message Parse(const rpc::OutgoingMessage& message) {
  return Parse<Message>(message.bytes());
}

}  // namespace tensorferry
