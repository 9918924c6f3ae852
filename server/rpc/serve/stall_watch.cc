#include "rpc/serve/stall_watch.h"

#include <chrono>

namespace tensorferry::rpc {
namespace {

constexpr std::chrono::milliseconds kInterval{50};

}  // namespace

StallWatch::StallWatch(std::deque<ServingQueue>& queues) : queues_(queues), thread_([this] { Run(); }) {}

StallWatch::~StallWatch() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  ended_.notify_all();
  thread_.join();
}

void StallWatch::Run() {
  std::unique_lock lock(mutex_);
  while (!ended_.wait_for(lock, kInterval, [this] { return ending_; })) {
    for (ServingQueue& queue : queues_) queue.RelieveIfStalled();
  }
}

}  // namespace tensorferry::rpc
