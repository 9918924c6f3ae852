#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <unordered_map>

namespace tensorferry::bench {

// Answers like those of tensorferry-server, without a look at more than the first of many requests that are the same:
// `tensorferry bench` sends copies of one request, and compares the first answer.

// Replies to calls: requests of the same length are taken to be the same.
class CannedReplies {
 public:
  // Lifetime: the reply stays where it is.
  const grpc::ByteBuffer& For(grpc::ByteBuffer& request);

 private:
  std::unordered_map<std::size_t, grpc::ByteBuffer> by_length_;
};

// Replies on a stream: all requests are taken to be like its first.
struct CannedStreamReply {
  explicit CannedStreamReply(grpc::ByteBuffer& request);

  grpc::ByteBuffer bytes;
  std::size_t chunks = 0;  // Messages that follow each request before it is to be answered.
};

}  // namespace tensorferry::bench
