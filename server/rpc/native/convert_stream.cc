#include "rpc/native/convert_stream.h"

#include <fmt/format.h>

#include <cassert>
#include <limits>
#include <utility>

#include "base/status.h"
#include "rpc/serve/error.h"
#include "rpc/serve/guarded.h"

namespace tensorferry::rpc {
namespace {

constexpr int kMaxEmptyChunks = 16;

absl::Status FramingLost(std::string_view why) { return MakeError(Reason::kBadChunk, why, {.field = "part"}); }

// Bytes of chunks that the request says will follow it; what does not fit 64 bits is as good as endless.
std::uint64_t DeclaredChunkBytes(const RequestView& request) {
  std::uint64_t nbytes = 0;
  for (const ArrayView& array : request.arrays) {
    if (array.payload != PayloadKind::kChunked) continue;
    if (__builtin_add_overflow(nbytes, array.chunked_nbytes, &nbytes)) return std::numeric_limits<std::uint64_t>::max();
  }
  return nbytes;
}

}  // namespace

EncodedResponse RefuseInStream(const std::string& request_id, const absl::Status& error) {
  LogError("ConvertStream", error);
  return EncodeRefusal(request_id, error);
}

absl::Status ConvertStreamSession::OnMessage(const RequestDecoder& message) {
  assert(!owes_response());
  switch (message.part()) {
    case StreamPart::kRequest: return OnRequest(message.request());
    case StreamPart::kChunk: return OnChunk(message.chunk());
    case StreamPart::kNone: break;
  }
  return FramingLost("a message holds neither a request nor a chunk");
}

absl::Status ConvertStreamSession::OnRequest(const RequestView& request) {
  if (call_) {
    return FramingLost(fmt::format("a request came while array {} still needs {} bytes of chunks",
                                   Quote(*call_->awaited_array()), call_->missing()));
  }
  request_id_ = request.request_id;
  empty_chunks_ = 0;
  droppable_ = 0;
  auto call = Guarded([&] { return Intake::Start(request, Intake::Chunks::kAllowed, environment_); });
  if (call.ok()) {
    call_.emplace(*std::move(call));
  } else {
    droppable_ = DeclaredChunkBytes(request);
    refusal_ = call.status();
  }
  return absl::OkStatus();
}

absl::Status ConvertStreamSession::OnChunk(const ScatteredBytes& chunk) {
  if (call_) {
    TENSORFERRY_RETURN_IF_ERROR(CountEmptyChunk(chunk));
    if (chunk.size() > call_->missing()) {
      return FramingLost(fmt::format("a chunk of {} bytes came for array {}, which needs {} more", chunk.size(),
                                     Quote(*call_->awaited_array()), call_->missing()));
    }
    refusal_ = call_->Append(chunk);
    if (refusal_.ok()) return absl::OkStatus();
    droppable_ = call_->missing_in_all();
    call_.reset();
    return absl::OkStatus();
  }
  if (chunk.size() > droppable_ || droppable_ == 0) return FramingLost("a chunk came that no array awaits");
  droppable_ -= chunk.size();
  return CountEmptyChunk(chunk);
}

absl::Status ConvertStreamSession::CountEmptyChunk(const ScatteredBytes& chunk) {
  if (chunk.size() > 0 || ++empty_chunks_ <= kMaxEmptyChunks) return absl::OkStatus();
  return FramingLost(fmt::format("more than {} empty chunks came for one request", kMaxEmptyChunks));
}

EncodedResponse ConvertStreamSession::TakeReply() {
  if (!refusal_.ok()) return RefuseInStream(request_id_, std::exchange(refusal_, absl::OkStatus()));
  absl::StatusOr<EncodedResponse> reply = Guarded([this] { return Run(); });
  return reply.ok() ? *std::move(reply) : RefuseInStream(request_id_, reply.status());
}

absl::StatusOr<EncodedResponse> ConvertStreamSession::Run() {
  TENSORFERRY_ASSIGN_OR_RETURN(Response answer, TakeCall().Finish());
  return EncodeStreamResponse(std::move(answer), environment_.max_message_bytes, writer_);
}

absl::Status ConvertStreamSession::OnEnd() const {
  if (!call_) return absl::OkStatus();
  return FramingLost(fmt::format("the stream ended while array {} still needs {} bytes of chunks",
                                 Quote(*call_->awaited_array()), call_->missing()));
}

}  // namespace tensorferry::rpc
