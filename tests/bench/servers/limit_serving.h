// ServeLimit does the least that a gRPC server can do, which is a limit for tensorferry-server.
#pragma once

#include <functional>

#include "listen.h"

namespace tensorferry::bench {

// ServeLimit serves calls and streams with one completion queue and one thread. It receives messages as bytes and drops
// them unread, sends answers that were made before, and has malloc keep memory as tensorferry-server does.
//
// It calls `work` for each call before the answer. It never returns: a signal ends the process.
void ServeLimit(const ServerArguments& arguments, const std::function<void()>& work);

}  // namespace tensorferry::bench
