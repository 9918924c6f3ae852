#include "bench/stream.h"

#include <string>
#include <utility>

#include "base/status.h"
#include "lib/server_error.h"

namespace tensorferry::cli {
namespace {

const std::string kStreamMethod = "/tensorferry.v1.TensorService/ConvertStream";

}  // namespace

StreamLane::StreamLane(const Route& route)
    : route_(route),
      started_(*this, &StreamLane::Started),
      written_(*this, &StreamLane::Written),
      read_(*this, &StreamLane::Read),
      finished_(*this, &StreamLane::Finished) {}

void StreamLane::Send(std::chrono::steady_clock::time_point intended) {
  unanswered_.push_back(intended);
  ++unwritten_;
  if (state_ == State::kClosed) Open();
  WriteNext();
}

void StreamLane::Open() {
  state_ = State::kStarting;
  context_.emplace();
  call_ = route_.stub.PrepareCall(&*context_, kStreamMethod, &route_.queue);
  call_->StartCall(&started_);
}

void StreamLane::Started(bool ok) {
  if (!ok) return Finish();
  state_ = State::kOpen;
  call_->Read(&incoming_, &read_);
  WriteNext();
}

// gRPC takes one write at a time. The hint that another write follows lets it join small ones.
void StreamLane::WriteNext() {
  if (state_ != State::kOpen || writing_ || unwritten_ == 0) return;
  const grpc::ByteBuffer& message = route_.request[next_message_];
  if (++next_message_ == route_.request.size()) {
    next_message_ = 0;
    --unwritten_;
  }
  grpc::WriteOptions options;
  if (unwritten_ > 0) options.set_buffer_hint();
  writing_ = true;
  call_->Write(message, options, &written_);
}

void StreamLane::Written(bool ok) {
  writing_ = false;
  if (ok) WriteNext();
  EndIfDone();
}

void StreamLane::Read(bool ok) {
  if (!ok) return Finish();
  grpc::ByteBuffer message = std::move(incoming_);
  incoming_.Clear();
  call_->Read(&incoming_, &read_);
  if (!broken_.ok()) return;
  broken_ = Take(message);
  if (!broken_.ok()) context_->TryCancel();
}

absl::Status StreamLane::Take(grpc::ByteBuffer& message) {
  TENSORFERRY_ASSIGN_OR_RETURN(const BenchMessage read, ReadMessage(message, Framing::kStream));
  if (read.is_chunk != response_summary_.has_value() || unanswered_.empty()) {
    return absl::InternalError("the server sent a message that belongs to no request");
  }
  if (!read.is_chunk) {
    response_summary_ = read;
    response_ = std::move(message);
  } else if (read.chunk_bytes > response_summary_->chunked_nbytes) {
    return absl::InternalError("the server sent more chunks than it had announced");
  } else {
    response_summary_->chunked_nbytes -= read.chunk_bytes;
  }
  if (response_summary_->chunked_nbytes == 0) Answer();
  return absl::OkStatus();
}

void StreamLane::Answer() {
  grpc::ByteBuffer message = std::move(response_);
  const BenchMessage summary = *std::exchange(response_summary_, std::nullopt);
  const BenchAnswer answer{.intended = unanswered_.front(),
                           .status = summary.has_error ? ReadError(message) : absl::OkStatus(),
                           .summary = summary,
                           .message = &message,
                           .framing = Framing::kStream};
  unanswered_.pop_front();
  if (unwritten_ > unanswered_.size()) {  // The server expects no more of a refused request.
    unwritten_ = unanswered_.size();
    next_message_ = 0;
  }
  route_.observer.Answered(*this, answer);
}

void StreamLane::Finish() {
  state_ = State::kEnding;
  call_->Finish(&status_, &finished_);
}

void StreamLane::Finished(bool) {
  has_finished_ = true;
  EndIfDone();
}

void StreamLane::EndIfDone() {
  if (!has_finished_ || writing_) return;
  absl::Status status = broken_.ok() ? client::FromGrpc(status_) : broken_;
  if (status.ok()) status = absl::InternalError("the server ended the stream without an answer");
  call_.reset();
  context_.reset();
  state_ = State::kClosed;
  broken_ = absl::OkStatus();
  has_finished_ = false;
  response_summary_.reset();
  unwritten_ = next_message_ = 0;
  const auto unanswered = std::exchange(unanswered_, {});
  for (const auto intended : unanswered) {
    route_.observer.Answered(*this, {.intended = intended, .status = status});  // This may open the stream again.
  }
}

void StreamLane::Cancel() {
  if (context_) context_->TryCancel();
}

void StreamLane::Close() {
  if (state_ != State::kOpen || writing_ || !unanswered_.empty()) return Cancel();
  writing_ = true;
  call_->WritesDone(&written_);
}

}  // namespace tensorferry::cli
