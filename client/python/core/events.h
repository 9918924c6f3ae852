#pragma once

#include <grpcpp/completion_queue.h>

#include <chrono>

namespace tensorferry::core {

inline constexpr std::chrono::milliseconds kSignalPeriod{100};  // Whoever waits for longer looks at signals in between.

// Event is what a queue brings: the operation `tag` has ended, and `ok` says whether it succeeded.
struct Event {
  void* tag = nullptr;
  bool ok = false;
};

using Clock = std::chrono::system_clock;  // That of gRPC's deadlines.

enum class Waited {
  kEvent,
  kInterrupted,  // A signal's handler raised a Python exception, which is set.
  kLate,         // The deadline passed, and gRPC has not ended the call for it, as AwaitWrite says.
};

// WaitForEvent waits without the GIL, which the caller has released, and takes it every kSignalPeriod to see whether a
// signal came. Only kEvent says that an event was taken. `deadline` is that of the call.
Waited WaitForEvent(grpc::CompletionQueue& queue, Event& event, Clock::time_point deadline = Clock::time_point::max());

// AwaitWrite waits for an event of a call that was cancelled, and of which only writes are left. It returns false if none
// comes soon: gRPC ends a write when the connection has taken what it was given before, and a peer that reads no more
// keeps it from that, as long as its machine is there.
bool AwaitWrite(grpc::CompletionQueue& queue, Event& event);

// PollForEvent does gRPC's work that is there to be done, and returns whether it brought an event.
//
// A call polls before it begins: nobody watches a connection that waits, and a call on one that the server has closed
// meanwhile fails, while a call that begins after gRPC has seen that connects anew.
bool PollForEvent(grpc::CompletionQueue& queue, Event& event);

}  // namespace tensorferry::core
