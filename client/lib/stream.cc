#include "tensorferry/client/stream.h"

#include <algorithm>
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

}  // namespace

Stream::Impl::Impl(std::shared_ptr<Connection> connection, const StreamOptions& options, bool seals)
    : connection_(std::move(connection)), options_(options), seals_(seals) {
  SetTimeout(context_, options.timeout);
  call_ = connection_->ConvertStream(context_);
  reader_ = std::thread([this] { ReadToEnd(); });
}

Stream::Impl::~Impl() {
  if (!reader_.joinable()) return;
  context_.TryCancel();
  reader_.join();
}

Stream::Answer Stream::Impl::Send(std::span<const Array> arrays, const ConvertOptions& options) {
  absl::StatusOr<PreparedRequest> request = connection_->Prepare(arrays, options, seals_ && connection_->Seals(arrays));
  if (!request.ok()) return Failed(std::move(request).status());
  std::size_t chunk_bytes = 0;
  if (!request->chunked.empty()) {
    const auto timeout = options_.timeout.count() > 0 ? options_.timeout : Client::kQueryTimeout;
    const absl::StatusOr<std::size_t> recommended = connection_->ChunkBytes(std::min(timeout, Client::kQueryTimeout));
    if (!recommended.ok()) return Failed(recommended.status());
    chunk_bytes = *recommended;
  }
  Unanswered unanswered{.promise = {}, .swapped = request->swapped, .regions = std::move(request->regions)};
  Answer answer = unanswered.promise.get_future();
  const absl::StatusOr<std::uint64_t> ordinal = Enqueue(std::move(unanswered));
  if (!ordinal.ok()) return Failed(ordinal.status());
  Write(*std::move(request), options, *ordinal, chunk_bytes);
  return answer;
}

// Enqueue waits until a request may be sent and adds its promise, so that the promise is there before the answer can
// be.
absl::StatusOr<std::uint64_t> Stream::Impl::Enqueue(Unanswered request) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return ended_ || unanswered_.size() < options_.max_outstanding; });
  if (ended_ && !end_.ok()) return end_;
  if (ended_) return absl::UnavailableError("the server has ended the stream");
  unanswered_.push_back(std::move(request));
  return sent_++;
}

bool Stream::Impl::IsAnswered(std::uint64_t ordinal) {
  const std::scoped_lock lock(mutex_);
  return ended_ || ordinal < sent_ - unanswered_.size();
}

// If Write fails, the stream has ended: the reader then learns why, and tells everybody who waits.
void Stream::Impl::Write(PreparedRequest request, const ConvertOptions& options, std::uint64_t ordinal,
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
  if (reader_.joinable()) {
    call_->WritesDone();
    reader_.join();
  }
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
