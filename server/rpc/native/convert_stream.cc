#include "rpc/native/convert_stream.h"

#include <fmt/format.h>

#include <cassert>
#include <limits>
#include <utility>

#include "base/status.h"
#include "rpc/call/protocol.h"
#include "rpc/call/record.h"
#include "rpc/call/request_check.h"
#include "rpc/native/reply.h"
#include "rpc/serve/guarded.h"
#include "rpc/serve/method.h"
#include "rpc/serve/worker_pool.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::rpc {
namespace {

constexpr int kMaxEmptyChunks = 16;

const google::protobuf::MethodDescriptor& Method() {
  static const google::protobuf::MethodDescriptor& method =
      FindMethod(*v1::ConvertStreamRequest::descriptor(), *v1::ConvertStreamResponse::descriptor(), Streams::kBoth);
  return method;
}

absl::Status FramingLost(std::string_view why) { return MakeError(Reason::kBadChunk, why, {.field = "part"}); }

// Returns the number of bytes of chunks that the request announces. If the sum does not fit 64 bits, returns the
// largest number.
std::uint64_t DeclaredChunkBytes(const RequestView& request) {
  std::uint64_t nbytes = 0;
  for (const ArrayView& array : request.arrays) {
    if (array.payload != PayloadKind::kChunked) continue;
    if (__builtin_add_overflow(nbytes, array.chunked_nbytes, &nbytes)) return std::numeric_limits<std::uint64_t>::max();
  }
  return nbytes;
}

}  // namespace

absl::StatusOr<EncodedResponse> StreamedConvert::Encode(Response& response, WireWriter& writer) {
  response.request_id = id_;
  const std::optional<OutputPlace> output = std::exchange(output_, std::nullopt);
  if (output) TENSORFERRY_RETURN_IF_ERROR(WriteWhatFits(*output, response));
  return EncodeStreamResponse(std::move(response), environment_->max_message_bytes, writer);
}

EncodedResponse StreamedConvert::Refuse(const absl::Status& error) {
  output_.reset();
  return EncodeRefusal(id_, error);
}

absl::Status ConvertStreamSession::OnMessage(const RequestDecoder& message, std::size_t nbytes) {
  assert(!owes_response());
  absl::Status status;
  switch (message.part()) {
    case StreamPart::kRequest: status = OnRequest(message.request(), message.parsed()); break;
    case StreamPart::kChunk: status = OnChunk(message.chunk()); break;
    case StreamPart::kNone: return FramingLost("a message holds neither a request nor a chunk");
  }
  if (admission_) RecordMessage(nbytes, admission_->record());
  return status;
}

absl::Status ConvertStreamSession::OnRequest(const RequestView& request, bool parsed) {
  if (intake_) {
    return FramingLost(fmt::format("a request came while array {} still needs {} bytes of chunks",
                                   Quote(*intake_->awaited_array()), intake_->missing()));
  }
  request_.set_id(IdToRepeat(request.request_id));
  empty_chunks_ = 0;
  droppable_ = 0;
  admission_.emplace(environment_.chain, CallInfo{Method(), call_, CallKind::kTensors});
  auto intake = Guarded([&]() -> absl::StatusOr<Intake> {
    TENSORFERRY_RETURN_IF_ERROR(admission_->status());
    auto started = Intake::Start(request, {.in_chunks = true, .parsed = parsed}, environment_, &call_);
    RecordModel(started, {request.model_name, request.model_version}, admission_->record());
    TENSORFERRY_RETURN_IF_ERROR(started.status());
    TENSORFERRY_ASSIGN_OR_RETURN(auto output, OutputPlaceOf(request, {environment_.regions, environment_.sealed}));
    request_.set_output(std::move(output));
    return started;
  });
  if (intake.ok()) {
    intake_.emplace(*std::move(intake));
    is_long_ = intake_->is_long();
  } else {
    RefuseRequest(intake.status(), request);
  }
  return absl::OkStatus();
}

void ConvertStreamSession::RefuseRequest(const absl::Status& refusal, const RequestView& request) {
  intake_.reset();
  droppable_ = DeclaredChunkBytes(request);
  refusal_ = refusal;
}

void ConvertStreamSession::GoOn(const RequestView& request) {
  is_long_ = false;
  if (!intake_->is_long()) return;
  const absl::Status taken = Guarded([this] { return intake_->GoOn(); });
  if (!taken.ok()) RefuseRequest(taken, request);
}

absl::Status ConvertStreamSession::OnChunk(const ScatteredBytes& chunk) {
  if (intake_) {
    TENSORFERRY_RETURN_IF_ERROR(CountEmptyChunk(chunk));
    if (chunk.size() > intake_->missing()) {
      return FramingLost(fmt::format("a chunk of {} bytes came for array {}, which needs {} more", chunk.size(),
                                     Quote(*intake_->awaited_array()), intake_->missing()));
    }
    refusal_ = intake_->Append(chunk);
    if (refusal_.ok()) {
      is_long_ = !intake_->awaited_array() && intake_->copied_bytes() >= kLongCopy;
      return absl::OkStatus();
    }
    droppable_ = intake_->missing_in_all();
    intake_.reset();
    return absl::OkStatus();
  }
  if (chunk.size() > droppable_) return FramingLost("a chunk came that no array awaits");
  droppable_ -= chunk.size();
  return CountEmptyChunk(chunk);
}

absl::Status ConvertStreamSession::CountEmptyChunk(const ScatteredBytes& chunk) {
  if (chunk.size() > 0 || ++empty_chunks_ <= kMaxEmptyChunks) return absl::OkStatus();
  return FramingLost(fmt::format("more than {} empty chunks came for one request", kMaxEmptyChunks));
}

EncodedResponse ConvertStreamSession::TakeResponse() {
  Admission admission = TakeAdmission();
  absl::StatusOr<Response> response = Guarded([this]() -> absl::StatusOr<Response> {
    TENSORFERRY_RETURN_IF_ERROR(std::exchange(refusal_, absl::OkStatus()));
    return TakeIntake().Finish();
  });
  return EndRequest(request_, admission, response, writer_);
}

Admission ConvertStreamSession::TakeAdmission() {
  Admission admission = *std::move(admission_);
  admission_.reset();
  return admission;
}

absl::Status ConvertStreamSession::OnEnd() const {
  if (!intake_) return absl::OkStatus();
  return FramingLost(fmt::format("the stream ended while array {} still needs {} bytes of chunks",
                                 Quote(*intake_->awaited_array()), intake_->missing()));
}

}  // namespace tensorferry::rpc
