#include "rpc/convert_stream.h"

#include <fmt/format.h>

#include <limits>
#include <utility>

#include "base/status.h"
#include "rpc/error.h"
#include "rpc/to_proto.h"

namespace tensorferry::rpc {
namespace {

constexpr int kMaxEmptyChunks = 16;

absl::Status FramingLost(std::string_view why) { return MakeError(Reason::kBadChunk, why, {.field = "part"}); }

// Bytes of chunks that the request says will follow it; what does not fit 64 bits is as good as endless.
std::uint64_t DeclaredChunkBytes(const v1::ConvertRequest& request) {
  std::uint64_t nbytes = 0;
  for (const v1::Array& array : request.arrays()) {
    if (array.payload_case() != v1::Array::kChunkedNbytes) continue;
    if (__builtin_add_overflow(nbytes, array.chunked_nbytes(), &nbytes))
      return std::numeric_limits<std::uint64_t>::max();
  }
  return nbytes;
}

}  // namespace

absl::Status ConvertStreamSession::OnMessage(const v1::ConvertStreamRequest& message) {
  switch (message.part_case()) {
    case v1::ConvertStreamRequest::kRequest: return OnRequest(message.request());
    case v1::ConvertStreamRequest::kChunk: return OnChunk(message.chunk());
    case v1::ConvertStreamRequest::PART_NOT_SET: break;
  }
  return FramingLost("a message holds neither a request nor a chunk");
}

absl::Status ConvertStreamSession::OnRequest(const v1::ConvertRequest& request) {
  if (call_) {
    return FramingLost(fmt::format("a request came while array {} still needs {} bytes of chunks",
                                   Quote(*call_->awaited_array()), call_->missing()));
  }
  request_id_ = request.request_id();
  empty_chunks_ = 0;
  droppable_ = 0;
  auto call = ConvertCall::Start(request, ConvertCall::Chunks::kAllowed, environment_);
  if (!call.ok()) {
    droppable_ = DeclaredChunkBytes(request);
    return Refuse(call.status());
  }
  call_ = *std::move(call);
  return AnswerIfComplete();
}

absl::Status ConvertStreamSession::OnChunk(std::string_view chunk) {
  if (call_) {
    TENSORFERRY_RETURN_IF_ERROR(CountEmptyChunk(chunk));
    if (chunk.size() > call_->missing()) {
      return FramingLost(fmt::format("a chunk of {} bytes came for array {}, which needs {} more", chunk.size(),
                                     Quote(*call_->awaited_array()), call_->missing()));
    }
    const absl::Status status = call_->Append(chunk);
    if (status.ok()) return AnswerIfComplete();
    droppable_ = call_->missing_in_all();
    call_.reset();
    return Refuse(status);
  }
  if (chunk.size() > droppable_ || droppable_ == 0) return FramingLost("a chunk came that no array awaits");
  droppable_ -= chunk.size();
  return CountEmptyChunk(chunk);
}

absl::Status ConvertStreamSession::CountEmptyChunk(std::string_view chunk) {
  if (!chunk.empty() || ++empty_chunks_ <= kMaxEmptyChunks) return absl::OkStatus();
  return FramingLost(fmt::format("more than {} empty chunks came for one request", kMaxEmptyChunks));
}

absl::Status ConvertStreamSession::AnswerIfComplete() {
  if (call_->awaited_array()) return absl::OkStatus();
  ConvertCall call = *std::move(call_);
  call_.reset();
  const absl::StatusOr<Answer> answer = std::move(call).Finish();
  if (!answer.ok()) return Refuse(answer.status());
  const absl::StatusOr<bool> sent = SendAnswer(*answer, environment_.max_message_bytes, send_);
  if (!sent.ok()) return Refuse(sent.status());
  return *sent ? absl::OkStatus() : MakeError(Reason::kCancelled, "the caller is gone");
}

absl::Status ConvertStreamSession::Refuse(const absl::Status& error) {
  LogError("ConvertStream", error);
  v1::ConvertStreamResponse message;
  message.mutable_response()->set_request_id(request_id_);
  *message.mutable_response()->mutable_error() = ToProtoError(error);
  return send_(message) ? absl::OkStatus() : MakeError(Reason::kCancelled, "the caller is gone");
}

absl::Status ConvertStreamSession::OnEnd() const {
  if (!call_) return absl::OkStatus();
  return FramingLost(fmt::format("the stream ended while array {} still needs {} bytes of chunks",
                                 Quote(*call_->awaited_array()), call_->missing()));
}

}  // namespace tensorferry::rpc
