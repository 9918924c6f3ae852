#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <unordered_map>

namespace tensorferry::bench {

// CannedReplies and CannedStreamReply are answers like those of tensorferry-server, made by a look at only the first of
// many equal requests. That is enough: `tensorferry bench` sends copies of one request, and checks only the first
// answer.

// CannedReplies has the replies to calls. It takes requests of equal length to be equal.
class CannedReplies {
 public:
  // The reply stays where it is for as long as this object lives.
  const grpc::ByteBuffer& For(grpc::ByteBuffer& request);

 private:
  std::unordered_map<std::size_t, grpc::ByteBuffer> by_length_;
};

// CannedStreamReply is the reply to every request of a stream, and takes them all to be like the first.
struct CannedStreamReply {
  explicit CannedStreamReply(grpc::ByteBuffer& request);

  grpc::ByteBuffer bytes;
  std::size_t chunks = 0;  // The messages that follow each request before it is answered.
};

}  // namespace tensorferry::bench
