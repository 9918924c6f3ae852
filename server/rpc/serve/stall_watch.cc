#include "rpc/serve/stall_watch.h"

#include <chrono>

namespace tensorferry::rpc {
namespace {

constexpr std::chrono::milliseconds kInterval{50};

}  // namespace

StallWatch::StallWatch(std::deque<ServingQueue>& queues)
    : thread_(kInterval, [&queues] {
        for (ServingQueue& queue : queues) queue.RelieveIfStalled();
      }) {}

}  // namespace tensorferry::rpc
