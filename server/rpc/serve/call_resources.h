#pragma once

#include "rpc/serve/serving_queue.h"
#include "rpc/serve/wait_limit.h"
#include "rpc/serve/worker_pool.h"

namespace tensorferry::rpc {

// CallResources are what calls with tensors are served with: their queue, the threads of the server that copy large
// messages, and the limit on what callers keep waiting.
struct CallResources {
  ServingQueue& queue;
  WorkerPool& copiers;
  WaitLimit& waits;
};

}  // namespace tensorferry::rpc
