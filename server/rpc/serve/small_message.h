// Messages of the methods that carry no arrays: requests are small, and generated code parses them.
#pragma once

#include <google/protobuf/message.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstddef>

#include "absl/status/status.h"
#include "base/buffer_pool.h"

namespace tensorferry::rpc {

// The most bytes of a small message. A field of two bytes may take some hundred bytes once it is parsed, be it one that
// nobody knows.
inline constexpr std::size_t kMaxSmallMessageBytes = 64 << 10;

// MessageCheck says whether a message may be parsed. It sees the bytes as they came.
using MessageCheck = absl::Status (*)(const grpc::ByteBuffer& bytes);

// The MessageCheck of all methods that name no other.
// Errors: TENSOR_TOO_LARGE if the message is longer than kMaxSmallMessageBytes.
absl::Status CheckSmallMessage(const grpc::ByteBuffer& bytes);

// Parses `bytes` into `message` if `check` allows it. Gives back the memory of `bytes` in any case.
// Errors: those of `check`; BAD_CHUNK if the bytes do not parse.
absl::Status ParseMessage(grpc::ByteBuffer& bytes, google::protobuf::Message& message,
                          MessageCheck check = CheckSmallMessage);

// Writes `message` into `bytes`, in place of what they held.
// Errors: INTERNAL if the message is longer than protobuf can write.
absl::Status SerializeMessage(const google::protobuf::Message& message, grpc::ByteBuffer& bytes);

// CountedAnswer is the bytes of an answer, and what the memory budget holds for them. It is to be kept until gRPC has sent
// them.
struct CountedAnswer {
  grpc::ByteBuffer bytes{};
  MemoryBudget::Reservation counted{};

  // Writes `message`, in place of what was there. More than kUncountedAnswerBytes bytes are counted for the peer.
  // Errors: those of SerializeMessage and MemoryBudget::Reserve; `bytes` is then empty.
  absl::Status Write(const google::protobuf::Message& message, const PoolFor& pool);
};

}  // namespace tensorferry::rpc
