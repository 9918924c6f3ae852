#pragma once

#include <grpcpp/client_context.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "bench/lane.h"

namespace tensorferry::cli {

// StreamLane sends requests on one stream without waiting for their answers. It opens the stream with the first
// request, and again if the server has ended it.
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
  Step started_, written_, read_, finished_;  // The tags of the operations.
  State state_ = State::kClosed;
  std::optional<grpc::ClientContext> context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::Status status_;
  absl::Status broken_;        // Why the client ended the stream.
  bool has_finished_ = false;  // The call has finished; a write of it may still be on the queue.

  std::deque<std::chrono::steady_clock::time_point> unanswered_;  // When each request was due, in the order sent.
  std::size_t unwritten_ = 0;     // How many of the last requests in unanswered_ still have messages to write.
  std::size_t next_message_ = 0;  // The index of the next message of the first unwritten request.
  bool writing_ = false;

  grpc::ByteBuffer incoming_;
  grpc::ByteBuffer response_;  // The response to the first unanswered request, while its chunks are awaited.
  std::optional<BenchMessage> response_summary_;
};

}  // namespace tensorferry::cli
