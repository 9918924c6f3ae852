#pragma once

#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include <chrono>
#include <vector>

#include "absl/status/status.h"
#include "bench/response.h"

namespace tensorferry::cli {

// The tag of an operation on the completion queue. Everything here runs on the one thread that takes them from it.
class BenchEvent {
 public:
  virtual void Happened(bool ok) = 0;

 protected:
  ~BenchEvent() = default;
};

// What came of one request.
struct BenchAnswer {
  std::chrono::steady_clock::time_point intended;  // When it was to be sent.
  absl::Status status;
  // What follows is set in OK answers:
  BenchMessage summary;
  grpc::ByteBuffer* message = nullptr;
  Framing framing = Framing::kCall;
};

class BenchLane;

class BenchObserver {
 public:
  // Called when `lane` takes the next request.
  virtual void Answered(BenchLane& lane, const BenchAnswer& answer) = 0;

 protected:
  ~BenchObserver() = default;
};

// One way for copies of one request to the server.
class BenchLane {
 public:
  // The messages of a request, and whom to tell of its answers. All outlive the lane.
  struct Route {
    grpc::GenericStub& stub;
    grpc::CompletionQueue& queue;
    const std::vector<grpc::ByteBuffer>& request;
    BenchObserver& observer;
  };

  virtual ~BenchLane() = default;
  virtual void Send(std::chrono::steady_clock::time_point intended) = 0;

  // Ends what is unanswered: each gets its answer.
  virtual void Cancel() = 0;

  // No more will be sent. The lane must be idle before it goes.
  virtual void Close() = 0;

  // No operation is on the completion queue.
  virtual bool idle() const = 0;
};

}  // namespace tensorferry::cli
