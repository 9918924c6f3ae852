#pragma once

#include <string>

#include "rpc/serve/recent_calls.h"

namespace tensorferry {

// Returns the page of /debug/requests: `{"refusals": […], "slowest": […]}`.
std::string RecentCallsJson(const rpc::RecentCalls& calls);

}  // namespace tensorferry
