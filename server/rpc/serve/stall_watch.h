#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "rpc/serve/serving_queue.h"

namespace tensorferry::rpc {

// Calls RelieveIfStalled of every queue of a server some times a second, so that no queue waits for one call that takes
// long: a model that was fast a thousand times may be slow the next time.
// Lifetime: borrows `queues`, which have been started and are stopped later.
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
  std::thread thread_;  // Stands last: the thread uses the other members.
};

}  // namespace tensorferry::rpc
