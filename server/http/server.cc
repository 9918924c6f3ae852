#include "http/server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <utility>

#include "base/start_thread.h"
#include "base/status.h"
#include "http/connection.h"
#include "http/listener.h"
#include "http/relieved_loop.h"
#include "http/tls_context.h"

namespace tensorferry::http {

// The connections use the other members, and end with `io`, which is destroyed before those.
struct Server::Loop {
  Loop(const ServerOptions& options, Router given)
      : limits(options.limits),
        router(std::move(given)),
        connections(limits.connections),
        context{limits, router, connections, options.pool, options.error_body, options.refusals, loop},
        tls(options.tls == nullptr ? nullptr : std::make_unique<TlsContexts>(*options.tls)) {}

  const Limits limits;
  const Router router;
  ConnectionSet connections;
  ConnectionContext context;
  const std::unique_ptr<TlsContexts> tls;  // Null: connections are plain.
  boost::asio::io_context io;
  RelievedLoop loop{io};
  Listener listener{io, context, tls.get()};
};

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options, Router router) {
  const auto made = std::make_shared<Loop>(options, std::move(router));
  made->context.owner = made;
  std::unique_ptr<Server> server(new Server(made));
  TENSORFERRY_ASSIGN_OR_RETURN(server->address_, server->loop_->listener.Listen(options.address));
  server->thread_ = StartThread("the HTTP port", [loop = server->loop_.get()] { loop->loop.Run(); });
  return server;
}

Server::Server(std::shared_ptr<Loop> loop) : loop_(std::move(loop)) {}

void Server::BeginDrain() {
  boost::asio::post(loop_->io, [loop = loop_.get()] { loop->connections.Drain(); });
}

bool Server::AwaitAnswers(std::chrono::steady_clock::time_point deadline) {
  const auto told = std::make_shared<std::promise<void>>();
  boost::asio::post(loop_->io,
                    [loop = loop_.get(), told] { loop->connections.WhenIdle([told] { told->set_value(); }); });
  return told->get_future().wait_until(deadline) == std::future_status::ready;
}

Server::~Server() {
  loop_->io.stop();
  if (thread_.joinable()) thread_.join();
}

}  // namespace tensorferry::http
