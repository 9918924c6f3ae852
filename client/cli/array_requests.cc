#include "cli/array_requests.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <thread>
#include <utility>

#include "cli/values.h"
#include "tensorferry/client/error.h"

namespace tensorferry::cli {
namespace {

constexpr std::size_t kMaxPending = 16;
constexpr std::uint64_t kMaxPendingBytes = 16 << 20;

// Pending is an array that waits for its answer, or that could not be read.
struct Pending {
  std::string name;
  absl::StatusOr<client::Array> array;
  client::Stream::Answer answer;

  std::uint64_t nbytes() const { return array.ok() ? array->bytes.size() : 0; }
};

// ArrayStream sends arrays on one stream, and keeps those that are not answered yet.
class ArrayStream {
 public:
  using Clock = std::chrono::steady_clock;

  ArrayStream(client::Client& client, const client::ConvertOptions& options,
              const std::function<bool(ArrayAnswer)>& take)
      : client_(client),
        stream_(client.OpenStream({.max_outstanding = kMaxPending, .timeout = options.timeout})),
        options_(options),
        take_(take),
        end_(Clock::now() + options.timeout) {}

  // Returns false if `take` wants no more answers.
  bool Send(const std::string& name, absl::StatusOr<client::Array> array) {
    pending_.push_back({name, std::move(array), {}});
    Pending& sent = pending_.back();
    if (sent.array.ok()) sent.answer = stream_.Send({&*sent.array, 1}, options_);
    nbytes_ += sent.nbytes();
    while (pending_.size() >= kMaxPending || nbytes_ > kMaxPendingBytes) {
      if (!TakeFirst()) return false;
    }
    return true;
  }

  void Finish() {
    while (!pending_.empty() && TakeFirst()) {
    }
  }

 private:
  bool TakeFirst() {
    Pending first = std::move(pending_.front());
    pending_.pop_front();
    nbytes_ -= first.nbytes();
    return take_(Await(std::move(first)));
  }

  ArrayAnswer Await(Pending pending) {
    if (!pending.array.ok()) return {std::move(pending.name), std::nullopt, pending.array.status()};
    absl::StatusOr<client::Response> response = pending.answer.get();
    if (!response.ok()) response = TryAgain(*pending.array, response.status());
    if (response.ok() && response->tensors.size() != 1) {
      response = absl::InternalError("the server answered one array with another number of tensors");
    }
    return {std::move(pending.name), *std::move(pending.array), std::move(response)};
  }

  // TryAgain sends an array that the server refused for now, in calls of its own: a stream sends each request once. Returns
  // `refused` if no other try is wanted, or the timeout leaves no time for it.
  absl::StatusOr<client::Response> TryAgain(const client::Array& array, const absl::Status& refused) {
    const std::chrono::milliseconds delay = client::ToError(refused).retry_after;
    if (options_.retries == 0 || delay.count() == 0 || (has_timeout() && delay >= end_ - Clock::now())) return refused;
    std::this_thread::sleep_for(delay);
    client::ConvertOptions again = options_;
    --again.retries;
    if (has_timeout()) {
      again.timeout = std::max(std::chrono::ceil<std::chrono::milliseconds>(end_ - Clock::now()), kLeastTime);
    }
    return client_.Convert({&array, 1}, again);
  }

  bool has_timeout() const { return options_.timeout.count() > 0; }

  client::Client& client_;
  client::Stream stream_;
  const client::ConvertOptions& options_;
  const std::function<bool(ArrayAnswer)>& take_;
  const Clock::time_point end_;  // When the timeout is over, if there is one. The stream and all tries share it.
  std::deque<Pending> pending_;
  std::uint64_t nbytes_ = 0;  // Bytes of all pending arrays together.
};

// A single array goes in a call, which is cheaper than a stream, and simpler for proxies between command and server.
void ConvertOne(client::Client& client, InputFile& file, const client::ConvertOptions& options,
                const std::function<bool(ArrayAnswer)>& take) {
  const std::string& name = file.names().front();
  absl::StatusOr<client::Array> array = file.Read(0);
  if (!array.ok()) {
    take({name, std::nullopt, array.status()});
    return;
  }
  absl::StatusOr<client::Response> response = client.Convert({&*array, 1}, options);
  take({name, *std::move(array), std::move(response)});
}

}  // namespace

void ConvertEach(client::Client& client, InputFile& file, const client::ConvertOptions& options,
                 const std::function<bool(ArrayAnswer)>& take) {
  if (file.names().empty()) return;
  if (file.names().size() == 1) return ConvertOne(client, file, options, take);
  ArrayStream stream(client, options, take);
  for (std::size_t i = 0; i < file.names().size(); ++i) {
    if (!stream.Send(file.names()[i], file.Read(i))) return;
  }
  stream.Finish();
}

}  // namespace tensorferry::cli
