#pragma once

#include <deque>

#include "base/periodic_thread.h"
#include "rpc/serve/serving_queue.h"

namespace tensorferry::rpc {

// StallWatch calls RelieveIfStalled of every queue of a server several times a second, so that no queue waits for one
// call that takes long, and for no peer that keeps gRPC busy. A model that was fast a thousand times may be slow the
// next time.
// Lifetime: borrows `queues`, whose threads were made, and which are stopped later.
class StallWatch {
 public:
  explicit StallWatch(std::deque<ServingQueue>& queues);

 private:
  PeriodicThread thread_;
};

}  // namespace tensorferry::rpc
