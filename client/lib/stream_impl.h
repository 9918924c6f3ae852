#pragma once

#include <grpcpp/client_context.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "lib/connection.h"
#include "lib/request.h"
#include "tensorferry/client/stream.h"

namespace tensorferry::client {

// The caller's thread writes requests. `reader_` reads answers and keeps the promises, the oldest first.
class Stream::Impl {
 public:
  // `seals` false: no array goes in sealed memory.
  Impl(std::shared_ptr<Connection> connection, const StreamOptions& options, bool seals);
  ~Impl();

  Answer Send(std::span<const Array> arrays, const ConvertOptions& options);
  absl::Status Finish();

 private:
  struct Unanswered {
    std::promise<absl::StatusOr<Response>> promise;
    std::vector<std::size_t> swapped;  // As PreparedRequest::swapped.
    std::vector<Region> regions;
  };

  // These functions run on the caller's thread.
  absl::StatusOr<std::uint64_t> Enqueue(Unanswered request);
  bool IsAnswered(std::uint64_t ordinal);
  void Write(PreparedRequest request, const ConvertOptions& options, std::uint64_t ordinal, std::size_t chunk_bytes);

  // These functions run on `reader_`.
  void ReadToEnd();
  absl::Status ReadAnswers();
  absl::Status Resolve(absl::StatusOr<Response> answer);
  void Close(absl::Status end);

  const std::shared_ptr<Connection> connection_;
  const StreamOptions options_;
  const bool seals_;
  grpc::ClientContext context_;
  std::unique_ptr<Connection::StreamCall> call_;

  std::mutex mutex_;  // Guards the members below, except for reader_.
  std::condition_variable changed_;
  std::deque<Unanswered> unanswered_;
  std::uint64_t sent_ = 0;  // The number of requests.
  bool ended_ = false;
  absl::Status end_;

  std::thread reader_;
};

}  // namespace tensorferry::client
