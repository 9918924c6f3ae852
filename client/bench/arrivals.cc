#include "bench/arrivals.h"

namespace tensorferry::cli {

ArrivalSchedule::ArrivalSchedule(double rate, Arrivals arrivals, Clock::time_point start)
    : start_(start), arrivals_(arrivals), gap_(rate), rate_(rate), next_(start) {}

void ArrivalSchedule::Advance() {
  ++count_;
  switch (arrivals_) {
    case Arrivals::kConstant: seconds_ = static_cast<double>(count_) / rate_; break;  // A sum would drift.
    case Arrivals::kPoisson: seconds_ += gap_(random_); break;
  }
  next_ = start_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds_));
}

}  // namespace tensorferry::cli
