#pragma once

#include <cstddef>
#include <future>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tensorferry/client/array.h"
#include "tensorferry/client/convert_options.h"
#include "tensorferry/client/response.h"

namespace tensorferry::client {

// Many requests, pipelined on one stream: several times cheaper each than calls of their own. Answers are read by a
// thread of the stream's own while requests are written, so neither side ever waits for the other in a circle.
//
// Threads: one at a time may call Send and Finish.
class Stream {
 public:
  using Answer = std::future<absl::StatusOr<Response>>;

  // Writes one request, the chunks of its arrays included, and returns before it is answered. Waits first while
  // `StreamOptions::max_outstanding` requests are unanswered. The arrays are borrowed until it returns.
  //
  // Answer: is that of this request alone. A refused request costs the others nothing; when the stream itself ends, all
  //         that are unanswered fail with the reason.
  Answer Send(std::span<const Array> arrays, const ConvertOptions& options = {});

  // No more requests: waits until all are answered and says how the stream ended.
  absl::Status Finish();

  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;
  ~Stream();  // Without Finish, cancels what is unanswered.

 private:
  friend class Client;
  class Impl;
  explicit Stream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tensorferry::client
