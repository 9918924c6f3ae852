#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "base/thread_annotations.h"

namespace tensorferry::inference {

// OperationQueue runs operations on models: those on one model one after another, in the order in which they were
// posted, and those on different models beside each other.
//
// Threads:  any. Operations run on threads of the queue, which start when they are needed: one for each load that may
//           run at once, and kQuickThreads more, so that nothing quick waits for a load.
// Lifetime: the destructor runs what is queued, and waits for it.
class OperationQueue {
 public:
  enum class Kind : std::uint8_t {
    kLoad,  // Takes long; only so many run at once.
    kQuick  // Takes no time to speak of.
  };

  explicit OperationQueue(std::size_t loads_at_once);
  OperationQueue(const OperationQueue&) = delete;
  OperationQueue& operator=(const OperationQueue&) = delete;
  ~OperationQueue();

  void Post(const std::string& model, Kind kind, std::function<void()> run);

  // Waits until no operation is queued or runs.
  void AwaitIdle();

 private:
  struct Operation {
    Kind kind;
    std::function<void()> run;
  };
  struct Model {
    std::deque<Operation> queued;
    bool runs = false;  // Whether one of its operations runs.
  };

  void StartThread() TENSORFERRY_REQUIRES(mutex_);
  void Work();
  std::map<std::string, Model>::iterator NextModel() TENSORFERRY_REQUIRES(mutex_);
  void RunUnlocked(Operation operation) TENSORFERRY_REQUIRES(mutex_);

  static constexpr std::size_t kQuickThreads = 2;

  const std::size_t loads_at_once_;
  Mutex mutex_;
  ConditionVariable changed_;
  std::map<std::string, Model> models_ TENSORFERRY_GUARDED_BY(mutex_);  // Those that are busy.
  // The models that have an operation queued and none that runs, in the order in which they came to be so.
  std::deque<std::string> ready_ TENSORFERRY_GUARDED_BY(mutex_);
  std::size_t loads_ TENSORFERRY_GUARDED_BY(mutex_) = 0;  // Loads that run.
  std::size_t idle_ TENSORFERRY_GUARDED_BY(mutex_) = 0;   // Threads that wait for an operation.
  bool ending_ TENSORFERRY_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_ TENSORFERRY_GUARDED_BY(mutex_);
};

}  // namespace tensorferry::inference
