// The connections of a server. All functions are called on the thread of the server's io_context.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <list>
#include <memory>

#include "http/limits.h"
#include "http/refusal_counts.h"
#include "http/router.h"

namespace tensorferry::http {

// ConnectionSet is the list of the open connections, with the one first that has kept the server waiting longest. The
// server always waits for the peer, since a route answers at once.
class ConnectionSet {
 public:
  class Member {
   public:
    virtual ~Member() = default;
    virtual void Close() = 0;  // Takes the member out of the set.
  };
  using Place = std::list<Member*>::iterator;

  explicit ConnectionSet(std::size_t most) : most_(most) {}

  // Adds a member. If the set is full, another one is closed.
  Place Add(Member& member) {
    if (members_.size() >= most_) members_.front()->Close();
    return members_.insert(members_.end(), &member);
  }
  // Says that the server has begun to wait anew.
  void Renew(Place place) { members_.splice(members_.end(), members_, place); }
  void Remove(Place place) { members_.erase(place); }

 private:
  const std::size_t most_;
  std::list<Member*> members_;
};

// ConnectionContext is what all connections of a server share.
struct ConnectionContext {
  const Limits& limits;
  const Router& router;
  ConnectionSet& connections;
  RefusalCounts* refusals;  // Null: refusals are not counted.
};

// Serves the requests of one connection, until the peer or a limit ends it. With `tls` it begins with a handshake.
void ServeConnection(boost::asio::ip::tcp::socket socket, const ConnectionContext& context,
                     const std::shared_ptr<boost::asio::ssl::context>& tls);

}  // namespace tensorferry::http
