#pragma once

#include <grpcpp/client_context.h>

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "bench/lane.h"

namespace tensorferry::cli {

// UnaryLane sends each request as a call.
class UnaryLane final : public BenchLane {
 public:
  explicit UnaryLane(const Route& route) : route_(route) {}

  void Send(std::chrono::steady_clock::time_point intended) override;
  void Cancel() override;
  void Close() override {}
  bool idle() const override { return free_.size() == calls_.size(); }

 private:
  struct Call final : BenchEvent {
    explicit Call(UnaryLane& owner) : lane(owner) {}
    void Happened(bool ok) override;

    UnaryLane& lane;
    std::chrono::steady_clock::time_point intended;
    std::optional<grpc::ClientContext> context;  // Has a value while the call is on its way.
    std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
    grpc::ByteBuffer response;
    grpc::Status status;
  };

  const Route route_;
  std::deque<Call> calls_;  // One for each call that was ever on its way at once.
  std::vector<Call*> free_;
};

}  // namespace tensorferry::cli
