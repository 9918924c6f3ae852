#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "base/buffer_pool.h"
#include "http/error_response.h"
#include "http/limits.h"
#include "http/refusal_counts.h"
#include "http/router.h"
#include "security/reloaded.h"
#include "security/tls_material.h"

namespace tensorferry::http {

struct ServerOptions {
  std::string address;  // HOST:PORT or [IPV6]:PORT, where port 0 is any free port.
  Limits limits{};
  // The certificate with which TLS is spoken. Borrowed; null: none.
  const security::Reloaded<security::TlsMaterial>* tls = nullptr;
  // Where bodies lie, within limits.body_bytes and the pool's budget. Borrowed; null: requests have no bodies.
  BufferPool* pool = nullptr;
  ErrorBody error_body{};             // Empty: errors are as ErrorResponse makes them.
  RefusalCounts* refusals = nullptr;  // Counts the answers that refuse. Borrowed; null: nothing does.
};

// Server answers HTTP/1.0 and HTTP/1.1 on one address. One thread of its own serves all connections, and others do while a
// route holds it up.
// Threads:  any.
// Lifetime: the destructor closes all connections, and waits for the route that answers, if one does. Answers that come
//           later go nowhere.
class Server {
 public:
  // Errors: UNAVAILABLE without a reason if the address cannot be listened on; the message says why. Throws NoThread.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options, Router router);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  // Returns the address with the real port.
  const std::string& address() const { return address_; }

  // Has each answer end its connection from now on, so that callers go elsewhere.
  void BeginDrain();

  // Waits until peers have all answers to the requests that have arrived. Returns false if some had not at the deadline.
  bool AwaitAnswers(std::chrono::steady_clock::time_point deadline);

 private:
  struct Loop;  // Holds what is of Boost.

  explicit Server(std::shared_ptr<Loop> loop);

  std::shared_ptr<Loop> loop_;
  std::string address_;
  std::thread thread_;
};

}  // namespace tensorferry::http
