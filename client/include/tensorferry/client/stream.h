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

// Stream sends many requests on one gRPC stream, without waiting for answers: each costs a fraction of a call. A thread
// of its own reads answers while requests are written, so client and server never wait for each other in a circle.
//
// Threads: one at a time may call Send and Finish.
class Stream {
 public:
  using Answer = std::future<absl::StatusOr<Response>>;

  // Send writes one request, with the chunks of its arrays, and returns before it is answered. It first waits while
  // `StreamOptions::max_outstanding` requests are unanswered. The arrays are borrowed until Send returns.
  //
  // The Answer belongs to this request alone, and a refused request costs the others nothing. If the stream itself
  // ends, all unanswered requests fail with the reason.
  Answer Send(std::span<const Array> arrays, const ConvertOptions& options = {});

  // Finish says that no more requests come, waits until all are answered, and returns how the stream ended.
  absl::Status Finish();

  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;
  ~Stream();  // Cancels what is unanswered, unless Finish was called.

 private:
  friend class Client;
  class Impl;
  explicit Stream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tensorferry::client
