#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/completion_queue.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/arrivals.h"
#include "bench/lane.h"
#include "bench/options.h"
#include "bench/result.h"

namespace tensorferry::cli {

using BenchChannels = std::vector<std::shared_ptr<grpc::Channel>>;

// Connections for the load, each a socket of its own. They are made with the first requests.
BenchChannels OpenBenchChannels(const std::string& address, int count);

// Loads a server with copies of one request. One thread, the caller's, does everything.
class BenchRun final : public BenchObserver {
 public:
  // `array`, `request`: what is sent, as MakeBenchRequest made it. `interrupted`: ends everything when it turns true.
  // All are borrowed.
  BenchRun(const BenchOptions& options, const BenchChannels& channels, const client::Array& array,
           const std::vector<grpc::ByteBuffer>& request, const std::atomic<bool>& interrupted);
  ~BenchRun();
  BenchRun(const BenchRun&) = delete;
  BenchRun& operator=(const BenchRun&) = delete;

  // Sends requests for `duration` and waits for the answers.
  BenchResult Measure(std::chrono::milliseconds duration);

 private:
  using Clock = std::chrono::steady_clock;
  enum class State : std::uint8_t {
    kSending,
    kWaiting,   // For the answers that are missing.
    kGivingUp,  // For the ends of cancelled requests, which count as failed.
    kDropping,  // For the ends of cancelled requests, which do not count.
  };

  void Send(BenchLane& lane, Clock::time_point intended);
  void Answered(BenchLane& lane, const BenchAnswer& answer) override;
  void Record(const BenchAnswer& answer, Clock::time_point now);
  void Fail(const absl::Status& status);
  void Step();
  bool SendDue(Clock::time_point now);
  void CancelAll(State next);
  void Wait(Clock::time_point now);
  bool TakeEvent(Clock::time_point until);

  const BenchOptions& options_;
  const client::Array& array_;
  const std::atomic<bool>& interrupted_;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs_;
  std::vector<std::unique_ptr<BenchLane>> lanes_;
  bool checked_ = false;  // The first tensor is the array.

  // What follows belongs to the measurement:
  State state_ = State::kDropping;
  Clock::time_point end_;
  std::optional<ArrivalSchedule> schedule_;  // Open loop.
  std::size_t next_lane_ = 0;
  std::size_t unanswered_ = 0;
  Clock::time_point last_answer_;
  BenchResult result_;
};

}  // namespace tensorferry::cli
