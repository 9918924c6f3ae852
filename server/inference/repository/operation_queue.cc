#include "inference/repository/operation_queue.h"

#include <system_error>
#include <utility>

#include "base/start_thread.h"

namespace tensorferry::inference {

OperationQueue::OperationQueue(std::size_t loads_at_once) : loads_at_once_(loads_at_once) {
  const MutexLock lock(mutex_);
  threads_.push_back(tensorferry::StartThread("loading models", [this] { Work(); }));
}

OperationQueue::~OperationQueue() {
  AwaitIdle();
  std::vector<std::thread> threads;
  {
    const MutexLock lock(mutex_);
    ending_ = true;
    threads = std::move(threads_);
  }
  changed_.NotifyAll();
  for (std::thread& thread : threads) thread.join();
}

void OperationQueue::Post(const std::string& model, Kind kind, std::function<void()> run) {
  {
    const MutexLock lock(mutex_);
    Model& posted = models_[model];
    posted.queued.push_back({kind, std::move(run)});
    if (!posted.runs && posted.queued.size() == 1) ready_.push_back(model);
    StartThread();
  }
  changed_.NotifyAll();
}

void OperationQueue::AwaitIdle() {
  const MutexLock lock(mutex_);
  while (!models_.empty()) changed_.Wait(mutex_);
}

// Starts a thread if all are occupied. If the system has none, what is queued waits for those that there are.
void OperationQueue::StartThread() {
  if (ready_.size() <= idle_ || threads_.size() >= loads_at_once_ + kQuickThreads) return;
  try {
    threads_.emplace_back([this] { Work(); });
  } catch (const std::system_error&) {
    return;
  }
}

void OperationQueue::Work() {
  const MutexLock lock(mutex_);
  for (;;) {
    const auto next = NextModel();
    if (next == models_.end()) {
      if (ending_) return;
      ++idle_;
      changed_.Wait(mutex_);
      --idle_;
      continue;
    }
    Model& model = next->second;
    Operation operation = std::move(model.queued.front());
    model.queued.pop_front();
    model.runs = true;
    RunUnlocked(std::move(operation));
    model.runs = false;
    if (model.queued.empty()) {
      models_.erase(next);
    } else {
      ready_.push_back(next->first);
    }
    changed_.NotifyAll();
  }
}

// Takes the first model out of `ready_` whose next operation may run now; end() if there is none.
std::map<std::string, OperationQueue::Model>::iterator OperationQueue::NextModel() {
  for (auto name = ready_.begin(); name != ready_.end(); ++name) {
    const auto model = models_.find(*name);
    if (model->second.queued.front().kind == Kind::kLoad && loads_ >= loads_at_once_) continue;
    ready_.erase(name);
    return model;
  }
  return models_.end();
}

// Also destroys the operation, and what it holds, without the lock.
void OperationQueue::RunUnlocked(Operation operation) {
  const std::size_t load = operation.kind == Kind::kLoad ? 1 : 0;
  loads_ += load;
  {
    const MutexUnlock unlocked(mutex_);
    operation.run();
    operation.run = nullptr;
  }
  loads_ -= load;
}

}  // namespace tensorferry::inference
