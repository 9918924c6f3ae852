#pragma once

#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "base/thread_annotations.h"

namespace tensorferry::inference {

// RepositoryRound is what one look at the files has begun. It is over when all of its operations have ended, or, if it
// is strict, with the first error.
// Threads: any.
class RepositoryRound {
 public:
  // `done` is called once, when the round is over: with the first error if the round is strict, else with OK.
  RepositoryRound(bool strict, std::function<void(const absl::Status&)> done)
      : strict_(strict), done_(std::move(done)) {}

  // Counts one operation, which calls End when it has ended.
  void Add();
  void End(const absl::Status& status);

  // Says that no other operation is added.
  void Began() { End(absl::OkStatus()); }

  // Returns whether the round is over, so that the operations that are left need not be carried out.
  bool over() const;

 private:
  const bool strict_;
  const std::function<void(const absl::Status&)> done_;
  mutable Mutex mutex_;
  int left_ TENSORFERRY_GUARDED_BY(mutex_) = 1;  // Operations, and one until Began.
  bool over_ TENSORFERRY_GUARDED_BY(mutex_) = false;
};

}  // namespace tensorferry::inference
