#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/buffer_pool.h"
#include "inference/result.h"
#include "rpc/serve/call_chain.h"
#include "rpc/serve/call_gate.h"
#include "rpc/wire/outgoing_message.h"

namespace tensorferry::rpc {

// EncodedResponse is the response to one request as its protocol sends it: one message, and on a stream also chunks,
// with those elements for which the message had no room. Next makes each chunk when it is asked for.
class EncodedResponse {
 public:
  // Writes elements as one message of a protocol. The message refers to the elements where they lie.
  using EncodeChunk = OutgoingMessage (*)(const inference::TensorElements& part);

  explicit EncodedResponse(OutgoingMessage message) : message_(std::move(message)) {}

  // Makes a response without messages: the call ends with `error`.
  static EncodedResponse End(const absl::Status& error) {
    EncodedResponse response{OutgoingMessage()};
    response.message_.reset();
    response.end_ = error;
    return response;
  }

  // Keeps the request inside the CallGate until this object is destroyed, and what is to be told when it is sent.
  void Keep(std::optional<CallGate::Pass> pass, Sending sending) {
    pass_ = std::move(pass);
    sending_ = std::move(sending);
  }

  // Returns the bytes that the message takes beside the elements, which have memory of their own.
  std::size_t own_bytes() const { return message_ ? message_->own_bytes() : 0; }

  // Has the memory budget hold own_bytes() for the peer, until the message is let go.
  // Errors: those of MemoryBudget::Reserve.
  absl::Status Count(const PoolFor& pool);

  // Hands over what is to be told when the last message is sent.
  Sending TakeSending() { return std::move(sending_); }

  // Adds chunks of at most `chunk_bytes` bytes after the message. The last tensor of `elements` comes first.
  void AddChunks(std::vector<inference::TensorElements> elements, std::size_t chunk_bytes, EncodeChunk encode) {
    chunked_ = std::move(elements);
    chunk_bytes_ = chunk_bytes;
    encode_chunk_ = encode;
  }

  // Returns the next message; nothing after the last.
  std::optional<OutgoingMessage> Next();

  // Returns the bytes of all messages that are still to be sent, without the framing of the chunks.
  std::uint64_t nbytes() const;

  // Returns how many messages are still to be sent.
  std::uint64_t messages() const;

  // Not OK: the call ends with this error, and nothing else is sent.
  const absl::Status& end() const { return end_; }

 private:
  std::optional<CallGate::Pass> pass_;
  Sending sending_;
  std::optional<OutgoingMessage> message_;
  // The part of each tensor that is still to be sent; the last tensor is sent next.
  std::vector<inference::TensorElements> chunked_;
  std::size_t chunk_bytes_ = 0;
  EncodeChunk encode_chunk_ = nullptr;
  absl::Status end_;
};

}  // namespace tensorferry::rpc
