#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "elements.h"
#include "released.h"

struct XXH3_state_s;  // The type belongs to libxxhash, whose header is not included here.

namespace tensorferry::core {

// Memory is borrowed from a Python object until nobody needs it any more, gRPC included.
class Memory {
 public:
  explicit Memory(Buffer buffer) : buffer_(buffer) {}
  ~Memory() { TheReleased().Add(buffer_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

 private:
  const Buffer buffer_;
};

// What travels of an array, and what its digest is taken over.
struct Upload {
  std::shared_ptr<Memory> memory;
  Layout travelling;
  bool has_digest = false;
  std::optional<Layout> digested;  // None: the digest is that of the bytes that travel.
  std::size_t limit = 0;           // Bytes of a chunk.
};

// Chunks cuts the elements of an array into messages of a stream, and takes their digest on the way.
// Threads: any, without the GIL.
class Chunks {
 public:
  explicit Chunks(Upload upload);
  ~Chunks();
  Chunks(const Chunks&) = delete;
  Chunks& operator=(const Chunks&) = delete;

  // Next returns the next chunk, none after the last one, and none after End. A chunk borrows the array where its
  // memory has what travels.
  // Errors: std::bad_alloc.
  std::optional<grpc::Slice> Next();

  // NextMessage returns the next chunk as a message of a stream: what Keep was given, if anything.
  std::optional<grpc::ByteBuffer> NextMessage();

  // Keep takes back a message that could not be sent yet.
  void Keep(grpc::ByteBuffer message) { kept_ = std::move(message); }

  // End says that no more chunks are wanted.
  void End();

  // Digest takes in what is left, and returns XXH3-128 in canonical form; empty if none is wanted.
  std::string Digest();

 private:
  grpc::Slice Cut(std::size_t nbytes);
  void TakeIn(ElementReader& reader, std::size_t nbytes);

  const std::shared_ptr<Memory> memory_;
  const std::size_t limit_;
  std::mutex mutex_;
  ElementReader travelling_;
  std::optional<ElementReader> digested_;
  const std::unique_ptr<XXH3_state_s, void (*)(XXH3_state_s*)> digest_;  // Null: none is wanted.
  std::optional<grpc::ByteBuffer> kept_;                                 // Only the thread that sends uses it.
  bool ended_ = false;
};

}  // namespace tensorferry::core
