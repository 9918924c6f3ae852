#include "rpc/serve/stall_watch.h"

namespace tensorferry::rpc {

StallWatch::StallWatch(std::deque<ServingQueue>& queues)
    : thread_(
          ServingQueue::kWatchInterval,
          [&queues] {
            for (ServingQueue& queue : queues) queue.RelieveIfStalled();
          },
          "watching for stalls") {}

}  // namespace tensorferry::rpc
