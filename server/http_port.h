#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/buffer_pool.h"
#include "config/config.h"
#include "credentials.h"
#include "http/metrics_route.h"
#include "http/server.h"
#include "rpc/serve/recent_calls.h"
#include "rpc/server.h"
#include "web/gateway.h"
#include "web/work_thread.h"

namespace tensorferry {

// HttpPortSources has what the HTTP port needs. All outlive the port.
struct HttpPortSources {
  const config::Config& config;
  const Credentials& credentials;
  rpc::Server& server;
  BufferPool& pool;
  // What the page shows of the server, for those who may ask for it on the admin port.
  const rpc::RecentCalls& recent_calls;
  http::MetricsSource metrics{};            // None: there are no metrics.
  http::RefusalCounts* refusals = nullptr;  // As http::ServerOptions has it.
};

// HttpPort is the HTTP listener for callers, and what its routes call the services with.
class HttpPort {
 public:
  HttpPort() = default;
  HttpPort(std::unique_ptr<web::WorkThread> work, std::unique_ptr<web::Gateway> gateway,
           std::unique_ptr<http::Server> server)
      : work_(std::move(work)), gateway_(std::move(gateway)), server_(std::move(server)) {}
  HttpPort(HttpPort&&) noexcept = default;
  HttpPort& operator=(HttpPort&&) noexcept = default;
  ~HttpPort() {
    server_ = nullptr;
    if (work_) work_->Stop();  // Its work makes calls, whose ends post more of it.
  }

  const http::Server* server() const { return server_.get(); }  // Null: the port is off.

  // Do what http::Server's do, or nothing if the port is off.
  void BeginDrain() const {
    if (server_ != nullptr) server_->BeginDrain();
  }
  bool AwaitAnswers(std::chrono::steady_clock::time_point deadline) const {
    return server_ == nullptr || server_->AwaitAnswers(deadline);
  }

 private:
  std::unique_ptr<web::WorkThread> work_;
  std::unique_ptr<web::Gateway> gateway_;
  std::unique_ptr<http::Server> server_;
};

// Starts the port of --http-listen, or none if that is off.
// Errors: UNAVAILABLE if the address cannot be listened on. Throws NoThread.
absl::StatusOr<HttpPort> StartHttpPort(const HttpPortSources& sources);

}  // namespace tensorferry
