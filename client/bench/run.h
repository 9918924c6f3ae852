#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/completion_queue.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/arrivals.h"
#include "bench/lane.h"
#include "bench/options.h"
#include "bench/result.h"
#include "tensorferry/client/client.h"

namespace tensorferry::cli {

using BenchChannels = std::vector<std::shared_ptr<grpc::Channel>>;

// OpenBenchChannels makes a channel for each connection of the load. Each has a socket of its own, which is connected
// with the first request.
BenchChannels OpenBenchChannels(const std::string& address, int count, const client::ConnectOptions& options = {});

// BenchRun loads a server with copies of one request. Everything runs on the caller's thread.
class BenchRun final : public BenchObserver {
 public:
  // `arrays` and `request` are what is sent; MakeBenchRequest made `request`. When `interrupted` becomes true,
  // everything ends. BenchRun borrows all of its arguments.
  BenchRun(const BenchOptions& options, const BenchChannels& channels, std::span<const client::Array> arrays,
           const std::vector<grpc::ByteBuffer>& request, const std::atomic<bool>& interrupted);
  ~BenchRun();
  BenchRun(const BenchRun&) = delete;
  BenchRun& operator=(const BenchRun&) = delete;

  // Sends requests for `duration`, then waits for the answers.
  BenchResult Measure(std::chrono::milliseconds duration);

 private:
  using Clock = std::chrono::steady_clock;
  enum class State : std::uint8_t {
    kSending,
    kWaiting,   // Waiting for the answers that are missing.
    kGivingUp,  // Waiting for the ends of cancelled requests, which count as failed.
    kDropping,  // Waiting for the ends of cancelled requests, which do not count.
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
  const std::span<const client::Array> arrays_;
  const std::atomic<bool>& interrupted_;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs_;
  std::vector<std::unique_ptr<BenchLane>> lanes_;
  bool checked_ = false;  // The tensors of the first answer were compared with the arrays, and are equal.

  // The members below belong to one measurement.
  State state_ = State::kDropping;
  Clock::time_point end_;
  std::optional<ArrivalSchedule> schedule_;  // Open loop.
  std::size_t next_lane_ = 0;
  std::size_t unanswered_ = 0;
  Clock::time_point last_answer_;
  BenchResult result_;
};

}  // namespace tensorferry::cli
