#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/memory_budget.h"
#include "base/memory_peer.h"
#include "http/message.h"
#include "http/read_problem.h"

namespace tensorferry::http {

// CountedBody is a body that came in chunks, and its part of the memory budget.
struct CountedBody {
  std::string text;
  MemoryBudget::Reservation reservation;
};

// RequestPeer is the caller of a request, for whom its body is counted. Borrows the request.
class RequestPeer final : public MemoryPeer {
 public:
  explicit RequestPeer(const Request& request) : request_(request) {}
  std::string memory_name() const override { return MemoryNameOf(request_.certificate, request_.peer); }

 private:
  const Request& request_;
};

// Returns what the head of a message says, without a body.
Request RequestOf(const IncomingMessage& message);

// Returns what the peer expects before it sends a body, in words of HTTP/1.1; nothing: it sends it at once.
std::optional<std::string_view> ExpectationOf(const Request& request, unsigned version);

// Returns the answer to an expectation that cannot be met; nothing if it is met by "100 Continue".
std::optional<Response> RefuseExpectation(std::string_view expectation);

// Returns the address of a socket's peer, such as "127.0.0.1:43210"; empty if it has gone.
std::string PeerOf(const boost::asio::ip::tcp::socket& socket);

}  // namespace tensorferry::http
