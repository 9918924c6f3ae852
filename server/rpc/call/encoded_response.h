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

// The response to one request as its protocol sends it: one message, and on a stream also chunks of the elements that
// the message had no room for. Next makes each chunk when it is asked for.
class EncodedResponse {
 public:
  // Writes elements as one message of a protocol. The message refers to them where they are.
  using EncodeChunk = grpc::ByteBuffer (*)(const inference::TensorElements& part);

  explicit EncodedResponse(grpc::ByteBuffer message) : message_(std::move(message)) {}

  // A response without messages: the call ends with `error`.
  static EncodedResponse End(const absl::Status& error) {
    EncodedResponse response{grpc::ByteBuffer()};
    response.message_.reset();
    response.end_ = error;
    return response;
  }

  // Keeps the request inside the CallGate until this object is destroyed.
  void Keep(std::optional<CallGate::Pass> pass) { pass_ = std::move(pass); }

  // Adds chunks of at most `chunk_bytes` bytes after the message. The last tensor of `elements` comes first.
  void AddChunks(std::vector<inference::TensorElements> elements, std::size_t chunk_bytes, EncodeChunk encode) {
    chunked_ = std::move(elements);
    chunk_bytes_ = chunk_bytes;
    encode_chunk_ = encode;
  }

  // The next message; nothing after the last.
  std::optional<grpc::ByteBuffer> Next();

  // Not OK: the call ends with this error, and nothing else is sent.
  const absl::Status& end() const { return end_; }

 private:
  std::optional<CallGate::Pass> pass_;
  std::optional<grpc::ByteBuffer> message_;
  std::vector<inference::TensorElements> chunked_;  // The rest of each tensor; the last one is sent next.
  std::size_t chunk_bytes_ = 0;
  EncodeChunk encode_chunk_ = nullptr;
  absl::Status end_;
};

}  // namespace tensorferry::rpc
