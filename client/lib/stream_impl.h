#pragma once

#include <grpcpp/client_context.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "lib/attempts.h"
#include "lib/connection.h"
#include "lib/request.h"
#include "tensorferry/client/stream.h"

namespace tensorferry::client {

// The caller's thread writes requests. `reader_` reads answers and keeps the promises, the oldest first. `repeater_`
// writes requests again whose sealed memory the server has lost; it is started when that first happens, as `reader_` has
// to go on reading meanwhile.
class Stream::Impl {
 public:
  // `arrays_stay`: the arrays of each request stay until it is answered.
  Impl(std::shared_ptr<Connection> connection, const StreamOptions& options, bool arrays_stay = false);
  ~Impl();

  Answer Send(std::span<const Array> arrays, const ConvertOptions& options);
  absl::Status Finish();

 private:
  struct Unanswered {
    std::promise<absl::StatusOr<Response>> promise;
    std::vector<std::size_t> swapped;  // As PreparedRequest::swapped.
    std::vector<std::shared_ptr<const Region>> regions;
    std::optional<OutputKey> outputs_key;  // As Connection::OutputsOf.
    std::shared_ptr<OutputLease> outputs;  // These three are as in PreparedRequest.
    bool can_be_repeated = false;
    std::vector<Array> again;
    ConvertOptions options = {};  // Those of a request that can be repeated.
    int times_lost = 0;           // How often the server has lost what was handed over.
    absl::Status lost = {};       // How it said so last.
  };

  // These functions run on the caller's thread.
  absl::Status WaitForRoom(bool can_be_repeated);

  // These functions run on the caller's thread, and on `repeater_`.
  absl::StatusOr<std::size_t> ChunkBytes(const PreparedRequest& request);
  void Submit(Unanswered request, const PreparedRequest& prepared, const ConvertOptions& options,
              std::size_t chunk_bytes);
  bool IsAnswered(std::uint64_t ordinal);
  void Write(const PreparedRequest& request, const ConvertOptions& options, std::uint64_t ordinal,
             std::size_t chunk_bytes);

  // These functions run on `reader_`.
  void ReadToEnd();
  absl::Status ReadAnswers();
  std::shared_ptr<OutputLease> OutputsOfNext();
  absl::Status Resolve(absl::StatusOr<Response> answer);
  void Close(absl::Status end);
  bool StartRepeating();

  // These functions run on `repeater_`.
  void RepeatToEnd();
  void Repeat(Unanswered request);

  const std::shared_ptr<Connection> connection_;
  const StreamOptions options_;
  const Attempts time_;  // Of the stream.
  const bool arrays_stay_;
  grpc::ClientContext context_;
  std::unique_ptr<Connection::StreamCall> call_;

  // Held while a request and its chunks are written. It is locked before mutex_.
  std::mutex writing_;

  std::mutex mutex_;  // Guards the members below, except for the threads.
  std::condition_variable changed_;
  std::deque<Unanswered> unanswered_;
  std::uint64_t sent_ = 0;        // The number of requests.
  std::deque<Unanswered> lost_;   // Those that are to be written again.
  bool repeating_ = false;        // Whether `repeater_` has one of them.
  std::uint64_t repeatable_ = 0;  // The number of requests that may still have to be written again.
  bool ended_ = false;
  absl::Status end_;

  std::thread reader_;
  std::thread repeater_;
};

}  // namespace tensorferry::client
