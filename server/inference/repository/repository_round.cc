#include "inference/repository/repository_round.h"

namespace tensorferry::inference {

void RepositoryRound::Add() {
  const MutexLock lock(mutex_);
  ++left_;
}

void RepositoryRound::End(const absl::Status& status) {
  const absl::Status result = strict_ ? status : absl::OkStatus();
  {
    const MutexLock lock(mutex_);
    --left_;
    if (over_ || (result.ok() && left_ > 0)) return;
    over_ = true;
  }
  done_(result);
}

bool RepositoryRound::over() const {
  const MutexLock lock(mutex_);
  return over_;
}

}  // namespace tensorferry::inference
