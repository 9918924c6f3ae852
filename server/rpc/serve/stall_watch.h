#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "rpc/serve/serving_queue.h"

namespace tensorferry::rpc {

// Looks at the queues of a server some times a second, so that none waits for a call that takes long: a model that was
// fast a thousand times may not be the next time.
// Lifetime: borrows `queues`, which have been started.
class StallWatch {
 public:
  explicit StallWatch(std::deque<ServingQueue>& queues);
  ~StallWatch();

 private:
  void Run();

  std::deque<ServingQueue>& queues_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool ending_ = false;
  std::thread thread_;  // Last: it uses the rest.
};

}  // namespace tensorferry::rpc
