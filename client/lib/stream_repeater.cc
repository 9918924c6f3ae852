// The functions of Stream::Impl that write requests again whose sealed memory the server has lost.
#include <system_error>
#include <utility>

#include "base/status.h"
#include "lib/stream_impl.h"

namespace tensorferry::client {

// Call it with mutex_ locked. Returns false if the system has no thread for it.
bool Stream::Impl::StartRepeating() {
  if (repeater_.joinable()) return true;
  try {
    repeater_ = std::thread([this] { RepeatToEnd(); });
  } catch (const std::system_error&) {
    return false;
  }
  return true;
}

void Stream::Impl::RepeatToEnd() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return ended_ || !lost_.empty(); });
    if (ended_) return;  // Close has answered the others.
    Unanswered request = std::move(lost_.front());
    lost_.pop_front();
    repeating_ = true;
    lock.unlock();
    Repeat(std::move(request));
    lock.lock();
    repeating_ = false;
    changed_.notify_all();
  }
}

// A request whose elements go in messages now is not repeated any more. It counts until it is written, as the stream
// must not be closed before.
void Stream::Impl::Repeat(Unanswered request) {
  Road road(Framing::kStream);
  road.give_up = time_.GiveUp();
  absl::StatusOr<PreparedRequest> prepared =
      connection_->PrepareAgain(request.again, request.options, road, request.times_lost, request.lost);
  const absl::StatusOr<std::size_t> chunk_bytes =
      prepared.ok() ? ChunkBytes(*prepared) : absl::StatusOr<std::size_t>(prepared.status());
  bool is_last_try = true;
  if (chunk_bytes.ok()) {
    const ConvertOptions options = request.options;
    request.regions = std::move(prepared->regions);
    is_last_try = request.regions.empty();
    if (is_last_try) request.can_be_repeated = false;
    Submit(std::move(request), *prepared, options, *chunk_bytes);
  } else {
    request.promise.set_value(chunk_bytes.status());
  }
  if (!is_last_try) return;
  const std::scoped_lock lock(mutex_);
  --repeatable_;
}

}  // namespace tensorferry::client
