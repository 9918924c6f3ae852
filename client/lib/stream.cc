#include "tensorferry/client/stream.h"

#include <utility>

#include "base/status.h"
#include "lib/stream_impl.h"

namespace tensorferry::client {
namespace {

Stream::Answer Failed(absl::Status status) {
  std::promise<absl::StatusOr<Response>> promise;
  promise.set_value(std::move(status));
  return promise.get_future();
}

// Returns why nothing can be sent on a stream that has ended with `end`.
absl::Status EndOf(const absl::Status& end) {
  return end.ok() ? absl::UnavailableError("the server has ended the stream") : end;
}

}  // namespace

Stream::Impl::Impl(std::shared_ptr<Connection> connection, const StreamOptions& options, bool arrays_stay)
    : connection_(std::move(connection)), options_(options), time_(0, options.timeout), arrays_stay_(arrays_stay) {
  connection_->Begin(context_, options.timeout);
  call_ = connection_->ConvertStream(context_);
  reader_ = std::thread([this] { ReadToEnd(); });
}

Stream::Impl::~Impl() {
  if (!reader_.joinable()) return;
  context_.TryCancel();
  reader_.join();
  if (repeater_.joinable()) repeater_.join();
}

Stream::Answer Stream::Impl::Send(std::span<const Array> arrays, const ConvertOptions& options) {
  const bool seals = connection_->Seals(arrays);
  if (!seals && !FitsEveryServer(arrays)) {
    const absl::StatusOr<MessageLimits> limits = connection_->Limits(options_.timeout);
    if (!limits.ok()) return Failed(limits.status());
  }
  Road road(Framing::kStream);
  road.arrays_stay = arrays_stay_;
  road.give_up = time_.GiveUp();
  std::optional<OutputKey> outputs_key = connection_->OutputsOf(arrays, options);
  if (outputs_key) road.outputs = connection_->Lend(arrays, options, *outputs_key, road);
  absl::StatusOr<PreparedRequest> request = connection_->Prepare(arrays, options, road, seals);
  if (!request.ok()) return Failed(std::move(request).status());
  const absl::StatusOr<std::size_t> chunk_bytes = ChunkBytes(*request);
  if (!chunk_bytes.ok()) return Failed(chunk_bytes.status());
  Unanswered unanswered{.promise = {},
                        .swapped = std::move(request->swapped),
                        .regions = std::move(request->regions),
                        .outputs_key = std::move(outputs_key),
                        .outputs = std::move(request->outputs),
                        .can_be_repeated = request->can_be_repeated,
                        .again = std::move(request->again)};
  if (unanswered.can_be_repeated) {
    unanswered.options = options;
    unanswered.options.progress = nullptr;
  }
  Answer answer = unanswered.promise.get_future();
  const absl::Status waited = WaitForRoom(unanswered.can_be_repeated);
  if (!waited.ok()) return Failed(waited);
  Submit(std::move(unanswered), *request, options, *chunk_bytes);
  return answer;
}

// Returns the size of the chunks of `request`; 0 if it has none.
absl::StatusOr<std::size_t> Stream::Impl::ChunkBytes(const PreparedRequest& request) {
  if (request.chunked.empty()) return 0;
  TENSORFERRY_ASSIGN_OR_RETURN(const MessageLimits limits, connection_->Limits(options_.timeout));
  return limits.chunk;
}

// WaitForRoom waits until a request may be sent.
absl::Status Stream::Impl::WaitForRoom(bool can_be_repeated) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return ended_ || unanswered_.size() + lost_.size() + (repeating_ ? 1 : 0) < options_.max_outstanding;
  });
  if (ended_) return EndOf(end_);
  if (can_be_repeated) ++repeatable_;
  return absl::OkStatus();
}

// Submit adds the request's promise, so that it is there before the answer can be, and writes the request.
void Stream::Impl::Submit(Unanswered request, const PreparedRequest& prepared, const ConvertOptions& options,
                          std::size_t chunk_bytes) {
  const std::scoped_lock writing(writing_);
  std::unique_lock lock(mutex_);
  if (ended_) {
    const absl::Status end = EndOf(end_);
    lock.unlock();
    request.promise.set_value(end);
    return;
  }
  unanswered_.push_back(std::move(request));
  const std::uint64_t ordinal = sent_++;
  lock.unlock();
  Write(prepared, options, ordinal, chunk_bytes);
}

bool Stream::Impl::IsAnswered(std::uint64_t ordinal) {
  const std::scoped_lock lock(mutex_);
  return ended_ || ordinal < sent_ - unanswered_.size();
}

// If Write fails, the stream has ended: the reader then learns why, and tells everybody who waits.
void Stream::Impl::Write(const PreparedRequest& request, const ConvertOptions& options, std::uint64_t ordinal,
                         std::size_t chunk_bytes) {
  if (!call_->Write(request.message)) return;
  std::uint64_t total = 0;
  std::uint64_t sent = 0;
  for (const ChunkedElements& elements : request.chunked) total += elements.bytes.size();
  ForEachChunk(request.chunked, chunk_bytes, [&](const ChunkedElements& chunk) {
    if (IsAnswered(ordinal)) return false;  // The request was refused: the server expects no more of it.
    if (!call_->Write(ChunkMessage(chunk))) return false;
    sent += chunk.bytes.size();
    if (options.progress) options.progress(sent, total);
    return true;
  });
}

absl::Status Stream::Impl::Finish() {
  if (!reader_.joinable()) return end_;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_ || repeatable_ == 0; });
  }
  call_->WritesDone();
  reader_.join();
  if (repeater_.joinable()) repeater_.join();
  return end_;
}

Stream::Stream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Stream::Stream(Stream&&) noexcept = default;
Stream& Stream::operator=(Stream&&) noexcept = default;
Stream::~Stream() = default;

Stream::Answer Stream::Send(std::span<const Array> arrays, const ConvertOptions& options) {
  return impl_->Send(arrays, options);
}

absl::Status Stream::Finish() { return impl_->Finish(); }

}  // namespace tensorferry::client
