#pragma once

#include "http/router.h"
#include "rpc/serve/recent_calls.h"

namespace tensorferry {

// Returns the route /debug/requests, which tells `{"refusals": […], "slowest": […]}` to the role admin. `calls` outlives
// it.
http::Route DebugRequestsRoute(const rpc::RecentCalls& calls);

}  // namespace tensorferry
