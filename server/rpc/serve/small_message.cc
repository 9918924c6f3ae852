#include "rpc/serve/small_message.h"

#include <fmt/format.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include "base/answer_bytes.h"
#include "base/status.h"

namespace tensorferry::rpc {
namespace {

using MessageTraits = grpc::SerializationTraits<google::protobuf::Message>;

}  // namespace

absl::Status CheckSmallMessage(const grpc::ByteBuffer& bytes) {
  const std::size_t nbytes = bytes.Length();
  if (nbytes <= kMaxSmallMessageBytes) return absl::OkStatus();
  return MakeError(
      Reason::kTensorTooLarge,
      fmt::format("the message has {} bytes; this method takes at most {}", nbytes, kMaxSmallMessageBytes),
      {.field = "message", .actual = fmt::to_string(nbytes), .limit = fmt::to_string(kMaxSmallMessageBytes)});
}

absl::Status ParseMessage(grpc::ByteBuffer& bytes, google::protobuf::Message& message, MessageCheck check) {
  grpc::ByteBuffer taken;
  taken.Swap(&bytes);
  TENSORFERRY_RETURN_IF_ERROR(check(taken));
  const std::size_t nbytes = taken.Length();
  if (MessageTraits::Deserialize(&taken, &message).ok()) return absl::OkStatus();
  return MakeError(Reason::kBadChunk,
                   fmt::format("the message does not parse as {}", message.GetDescriptor()->full_name()),
                   {.field = "message", .actual = fmt::format("{} bytes", nbytes)});
}

absl::Status SerializeMessage(const google::protobuf::Message& message, grpc::ByteBuffer& bytes) {
  bytes.Clear();  // gRPC's writer ends the process if it is given a buffer that holds something.
  bool owned = false;
  if (MessageTraits::Serialize(message, &bytes, &owned).ok()) return absl::OkStatus();
  return MakeError(Reason::kInternal, "the response cannot be written");
}

absl::Status CountedAnswer::Write(const google::protobuf::Message& message, const PoolFor& pool) {
  bytes.Clear();
  counted = {};
  const std::size_t nbytes = message.ByteSizeLong();
  if (nbytes > kUncountedAnswerBytes) {
    TENSORFERRY_ASSIGN_OR_RETURN(counted, pool.Reserve(nbytes));
  }
  return SerializeMessage(message, bytes);
}

}  // namespace tensorferry::rpc
