#pragma once

#include "base/buffer_pool.h"
#include "rpc/serve/open_streams.h"
#include "rpc/serve/serving_queue.h"
#include "rpc/serve/wait_limit.h"
#include "rpc/serve/worker_pool.h"

namespace tensorferry::rpc {

// CallResources are what calls with tensors are served with: their queue, the threads of the server that copy large
// messages, the limit on what callers keep waiting, the count of their streams, and the pool whose memory budget admits what
// waits on a stream.
struct CallResources {
  ServingQueue& queue;
  WorkerPool& copiers;
  WaitLimit& waits;
  OpenStreams& streams;
  BufferPool& pool;
};

}  // namespace tensorferry::rpc
