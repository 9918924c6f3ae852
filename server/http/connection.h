// The connections of a server. All functions are called by handlers of the server's loop, one after the other.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <utility>

#include "base/buffer_pool.h"
#include "http/error_response.h"
#include "http/limits.h"
#include "http/refusal_counts.h"
#include "http/relieved_loop.h"
#include "http/router.h"

namespace tensorferry::http {

// ConnectionSet is the list of the open connections: first those that keep the server waiting, with the one first that
// has done so longest, and then those that wait for the server.
class ConnectionSet {
 public:
  class Member {
   public:
    virtual ~Member() = default;
    virtual void Close() = 0;  // Takes the member out of the set.
  };

  // Place is where a member stands.
  struct Place {
    std::list<Member*>::iterator at;
    bool served = false;  // Whether the member waits for the server.
  };

  explicit ConnectionSet(std::size_t most) : most_(most) {}

  // Adds a member. If the set is full, another one is closed; returns nothing if all of them wait for the server.
  std::optional<Place> Add(Member& member) {
    if (waiting_.size() + served_.size() >= most_) {
      if (waiting_.empty()) return std::nullopt;
      waiting_.front()->Close();
    }
    return Place{.at = waiting_.insert(waiting_.end(), &member)};
  }
  // Says that the server has begun to wait for the member anew.
  void Renew(Place& place) { Move(place, /*served=*/false); }
  // Says that the member waits for the server from now on.
  void Serve(Place& place) { Move(place, /*served=*/true); }
  void Remove(const Place& place) { ListOf(place).erase(place.at); }

  // Says that the server owes one more answer, or one less.
  void BeginAnswer() { ++due_; }
  void EndAnswer() {
    if (--due_ == 0) TellIdle();
  }
  // Has each answer end its connection from now on.
  void Drain() { draining_ = true; }
  bool draining() const { return draining_; }
  // Calls `idle` once no answer is due.
  void WhenIdle(std::function<void()> idle) {
    idle_ = std::move(idle);
    if (due_ == 0) TellIdle();
  }

 private:
  void TellIdle() {
    if (const auto idle = std::exchange(idle_, nullptr)) idle();
  }
  std::list<Member*>& ListOf(const Place& place) { return place.served ? served_ : waiting_; }
  void Move(Place& place, bool served) {
    std::list<Member*>& from = ListOf(place);
    place.served = served;
    std::list<Member*>& to = ListOf(place);
    to.splice(to.end(), from, place.at);
  }

  const std::size_t most_;
  std::list<Member*> waiting_;
  std::list<Member*> served_;
  std::size_t due_ = 0;  // How many answers are not given yet.
  bool draining_ = false;
  std::function<void()> idle_;
};

// ConnectionContext is what all connections of a server share.
struct ConnectionContext {
  const Limits& limits;
  const Router& router;
  ConnectionSet& connections;
  BufferPool* pool;         // Where bodies lie. Null: requests have none.
  ErrorBody error_body;     // Empty: errors are as ErrorResponse makes them.
  RefusalCounts* refusals;  // Null: refusals are not counted.
  RelievedLoop& loop;
  // The owner of all this and of the io_context. An answer that is still to come keeps it.
  std::weak_ptr<const void> owner{};
};

// Serves the requests of one connection, until the peer or a limit ends it. With `tls` it begins with a handshake.
void ServeConnection(boost::asio::ip::tcp::socket socket, const ConnectionContext& context,
                     const std::shared_ptr<boost::asio::ssl::context>& tls);

}  // namespace tensorferry::http
