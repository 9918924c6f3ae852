#pragma once

#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include <chrono>
#include <vector>

#include "absl/status/status.h"
#include "bench/response.h"

namespace tensorferry::cli {

// BenchEvent is the tag of an operation on the completion queue. One thread takes the tags from the queue, and calls
// everything in this file.
class BenchEvent {
 public:
  virtual void Happened(bool ok) = 0;

 protected:
  ~BenchEvent() = default;
};

// BenchAnswer says how one request ended.
struct BenchAnswer {
  std::chrono::steady_clock::time_point intended;  // When it was to be sent.
  absl::Status status;
  // The members below are set if `status` is OK.
  BenchMessage summary;
  grpc::ByteBuffer* message = nullptr;
  Framing framing = Framing::kCall;
};

class BenchLane;

class BenchObserver {
 public:
  // Called before `lane` takes the next request.
  virtual void Answered(BenchLane& lane, const BenchAnswer& answer) = 0;

 protected:
  ~BenchObserver() = default;
};

// BenchLane carries copies of one request to the server, over calls or over a stream.
class BenchLane {
 public:
  // Route has the messages of the request, and the observer that is told of each answer. All of it outlives the lane.
  struct Route {
    grpc::GenericStub& stub;
    grpc::CompletionQueue& queue;
    const std::vector<grpc::ByteBuffer>& request;
    BenchObserver& observer;
  };

  virtual ~BenchLane() = default;
  virtual void Send(std::chrono::steady_clock::time_point intended) = 0;

  // Cancels the requests that are not answered yet. Each still gets its BenchAnswer.
  virtual void Cancel() = 0;

  // Called when no more requests are to be sent. The lane may be destroyed once it is idle.
  virtual void Close() = 0;

  // Returns true if no operation of the lane is on the completion queue.
  virtual bool idle() const = 0;
};

}  // namespace tensorferry::cli
