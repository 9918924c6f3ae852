#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "config/resolve.h"
#include "credentials.h"
#include "http/metrics_route.h"
#include "http/server.h"
#include "rpc/self_check.h"
#include "rpc/serve/recent_calls.h"
#include "rpc/server.h"

namespace tensorferry {

// AdminSources has what the routes of the admin port tell. All outlive the port.
struct AdminSources {
  const config::Resolved& resolved;
  const Credentials& credentials;
  const rpc::Server& server;
  const rpc::SelfCheck& self_check;
  const rpc::RecentCalls& recent_calls;
  http::MetricsSource metrics{};            // None: there are no metrics.
  http::RefusalCounts* refusals = nullptr;  // As http::ServerOptions has it.
};

// Starts the HTTP port for those who operate the server. Returns null if there is to be none, or if nobody has chosen
// its address and the default one cannot be listened on: a second server on the same machine serves all the same.
// Errors: UNAVAILABLE if a chosen address cannot be listened on. Throws NoThread.
absl::StatusOr<std::unique_ptr<http::Server>> StartAdminPort(const AdminSources& sources);

}  // namespace tensorferry
