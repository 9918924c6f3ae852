// The least that a gRPC server can do, and so a limit for ours.
#pragma once

#include <functional>

#include "listen.h"

namespace tensorferry::bench {

// Serve with one completion queue and one thread: messages are received as bytes and dropped unread, answers were made
// before, malloc's memory is kept as ours keeps it. Also an empty stream.
//
// `work`: done for each call before it is answered. Never returns: a signal ends the process.
void ServeLimit(const ServerArguments& arguments, const std::function<void()>& work);

}  // namespace tensorferry::bench
