#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/buffer_pool.h"
#include "config/config.h"
#include "credentials.h"
#include "http/server.h"
#include "rpc/server.h"
#include "web/gateway.h"

namespace tensorferry {

// HttpPortSources has what the HTTP port needs. All outlive the port.
struct HttpPortSources {
  const config::Config& config;
  const Credentials& credentials;
  rpc::Server& server;
  BufferPool& pool;
  http::RefusalCounts* refusals = nullptr;  // As http::ServerOptions has it.
};

// HttpPort is the HTTP listener for callers, and what its routes call the services with.
class HttpPort {
 public:
  HttpPort() = default;
  HttpPort(std::unique_ptr<web::Gateway> gateway, std::unique_ptr<http::Server> server)
      : gateway_(std::move(gateway)), server_(std::move(server)) {}

  const http::Server* server() const { return server_.get(); }  // Null: the port is off.

 private:
  std::unique_ptr<web::Gateway> gateway_;
  std::unique_ptr<http::Server> server_;
};

// Starts the port of --http-listen, or none if that is off.
// Errors: UNAVAILABLE if the address cannot be listened on. Throws NoThread.
absl::StatusOr<HttpPort> StartHttpPort(const HttpPortSources& sources);

}  // namespace tensorferry
