#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "inference/result.h"
#include "rpc/serve/call_gate.h"

namespace tensorferry::rpc {

// What one request on a stream is answered with: a message, and chunks of elements that it had no room for. Chunks are
// made as they are asked for.
class StreamReply {
 public:
  explicit StreamReply(grpc::ByteBuffer message) : message_(std::move(message)) {}

  // Ends the stream with a status of its own.
  static StreamReply End(const absl::Status& status) {
    StreamReply reply{grpc::ByteBuffer()};
    reply.message_.reset();
    reply.end_ = status;
    return reply;
  }

  // The request is worked on until its last message is sent.
  void Keep(std::optional<CallGate::Pass> pass) { pass_ = std::move(pass); }

  // `elements`: follow in chunks of `chunk_bytes`, the last one first.
  void AddChunks(std::vector<inference::TensorElements> elements, std::size_t chunk_bytes) {
    chunked_ = std::move(elements);
    chunk_bytes_ = chunk_bytes;
  }

  // The next message; nothing after the last.
  std::optional<grpc::ByteBuffer> Next();

  // Not OK: nothing is sent any more but this.
  const absl::Status& end() const { return end_; }

 private:
  std::optional<CallGate::Pass> pass_;
  std::optional<grpc::ByteBuffer> message_;
  std::size_t chunk_bytes_ = 0;
  std::vector<inference::TensorElements> chunked_;  // What has not been sent of each tensor, the next one last.
  absl::Status end_;
};

}  // namespace tensorferry::rpc
