#pragma once

#include <grpcpp/client_context.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "bench/lane.h"

namespace tensorferry::cli {

// Requests pipelined on one stream, which is opened for the first and again should the server end it.
class StreamLane final : public BenchLane {
 public:
  explicit StreamLane(const Route& route);

  void Send(std::chrono::steady_clock::time_point intended) override;
  void Cancel() override;
  void Close() override;
  bool idle() const override { return state_ == State::kClosed; }

 private:
  struct Step final : BenchEvent {
    Step(StreamLane& owner, void (StreamLane::*function)(bool)) : lane(owner), run(function) {}
    void Happened(bool ok) override { (lane.*run)(ok); }
    StreamLane& lane;
    void (StreamLane::*run)(bool);
  };
  enum class State : std::uint8_t { kClosed, kStarting, kOpen, kEnding };

  void Open();
  void Started(bool ok);
  void Written(bool ok);
  void Read(bool ok);
  void Finished(bool ok);
  void WriteNext();
  absl::Status Take(grpc::ByteBuffer& message);
  void Answer();
  void Finish();
  void EndIfDone();

  const Route route_;
  Step started_, written_, read_, finished_;  // The tags.
  State state_ = State::kClosed;
  std::optional<grpc::ClientContext> context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::Status status_;
  absl::Status broken_;        // Why we ended the stream.
  bool has_finished_ = false;  // The call, while a write of it may still be on the queue.

  std::deque<std::chrono::steady_clock::time_point> unanswered_;  // In the order sent.
  std::size_t unwritten_ = 0;     // How many of the last of them still have messages to be written.
  std::size_t next_message_ = 0;  // The index of the next message of the first unwritten request.
  bool writing_ = false;

  grpc::ByteBuffer incoming_;
  grpc::ByteBuffer response_;  // The response to the first unanswered request, while its chunks are awaited.
  std::optional<BenchMessage> response_summary_;
};

}  // namespace tensorferry::cli
