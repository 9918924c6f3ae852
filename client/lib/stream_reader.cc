// The functions of Stream::Impl that read answers.
#include <algorithm>
#include <iterator>
#include <new>
#include <optional>
#include <utility>

#include "base/status.h"
#include "lib/response_assembler.h"
#include "lib/server_error.h"
#include "lib/stream_impl.h"

namespace tensorferry::client {
void Stream::Impl::ReadToEnd() {
  absl::Status broken;
  try {
    broken = ReadAnswers();
  } catch (const std::bad_alloc&) {
    broken = absl::ResourceExhaustedError("no memory here for what the server sent");
  }
  if (!broken.ok()) context_.TryCancel();
  const absl::Status end = FromGrpc(call_->Finish(), context_);
  connection_->NoteEnd(end);
  Close(broken.ok() ? end : broken);
}

absl::Status Stream::Impl::ReadAnswers() {
  std::optional<ResponseAssembler> current;
  for (v1::ConvertStreamResponse part; call_->Read(&part);) {
    switch (part.part_case()) {
      case v1::ConvertStreamResponse::kResponse: {
        if (current) return absl::InternalError("the server sent a response among the chunks of another");
        TENSORFERRY_ASSIGN_OR_RETURN(
            current, ResponseAssembler::Start(std::move(*part.mutable_response()), OutputsOfNext().get()));
        break;
      }
      case v1::ConvertStreamResponse::kChunk:
        if (!current) return absl::InternalError("the server sent a chunk that belongs to no response");
        TENSORFERRY_RETURN_IF_ERROR(current->Append(part.chunk()));
        break;
      case v1::ConvertStreamResponse::PART_NOT_SET:
        return absl::InternalError("the server sent a message that is neither a response nor a chunk");
    }
    if (!current->complete()) continue;
    TENSORFERRY_RETURN_IF_ERROR(Resolve(std::move(*current).Finish()));
    current.reset();
  }
  return absl::OkStatus();
}

// Returns the memory that was lent to the request that is answered next.
std::shared_ptr<OutputLease> Stream::Impl::OutputsOfNext() {
  const std::scoped_lock lock(mutex_);
  return unanswered_.empty() ? nullptr : unanswered_.front().outputs;
}

absl::Status Stream::Impl::Resolve(absl::StatusOr<Response> answer) {
  std::unique_lock lock(mutex_);
  if (unanswered_.empty()) return absl::InternalError("the server answered a request that was not sent");
  Unanswered request = std::move(unanswered_.front());
  unanswered_.pop_front();
  if (request.can_be_repeated && IsRegionLost(answer.status()) && StartRepeating()) {
    if (std::exchange(request.outputs, nullptr) != nullptr) connection_->ForgetOutputs();
    request.lost = answer.status();
    ++request.times_lost;
    lost_.push_back(std::move(request));
    lock.unlock();
    changed_.notify_all();
    return absl::OkStatus();
  }
  if (request.can_be_repeated) --repeatable_;
  lock.unlock();
  changed_.notify_all();
  if (answer.ok()) {
    AddSwaps(request.swapped, *answer);
    if (request.outputs_key) connection_->Learn(*request.outputs_key, *answer);
  }
  request.promise.set_value(std::move(answer));
  return absl::OkStatus();
}

void Stream::Impl::Close(absl::Status end) {
  std::deque<Unanswered> unanswered;
  {
    const std::scoped_lock lock(mutex_);
    ended_ = true;
    end_ = end;
    unanswered.swap(unanswered_);
    std::ranges::move(lost_, std::back_inserter(unanswered));
    lost_.clear();
  }
  changed_.notify_all();
  if (end.ok()) end = absl::InternalError("the server ended the stream without an answer");
  for (Unanswered& request : unanswered) request.promise.set_value(end);
}

}  // namespace tensorferry::client
