#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/memory_peer.h"
#include "base/status.h"
#include "rpc/serve/operation.h"

namespace tensorferry::rpc {

// AsyncCall stands for the calls of one coroutine, one after another in the same memory: who calls, how long he waits, and
// the operations that the coroutine awaits. It does not say how a call has come: grpc_call.h has those that gRPC brings,
// local_call.h those from within this process.
class AsyncCall : public MemoryPeer {
 public:
  // Completes when a call has come. Not ok: the server is shut down, and no other call comes. gRPC then never completes
  // `done`: https://github.com/grpc/grpc/issues/10136
  Operation arrived;

  // Completes when the call is over or cancelled. After the call was ended it completes in any case. If the call is
  // cancelled, `done` may complete before `finished`.
  Operation done;

  // Completes when the status is sent.
  Operation finished;

  // The following are of the present call.

  // Returns the value of the metadata `key`, in lower case. Empty: there is none, or several, of which none can be the one
  // that is meant.
  virtual std::string_view Metadata(std::string_view key) const = 0;

  // Returns the caller's address: `127.0.0.1:43210`, `[::1]:43210`, or `unix:` and a path if it has one.
  virtual std::string Peer() const = 0;

  // Returns how the certificate that the caller has shown names it: the first URI of its subject's alternative names, else
  // the first of the others, else the common name. Empty: the caller has shown none.
  virtual std::string CertificateName() const = 0;

  // Returns when the caller stops to wait; the last time there is if he never does.
  virtual std::chrono::system_clock::time_point Deadline() const = 0;

  // Returns whether the caller has cancelled the call, or is gone.
  virtual bool IsCancelled() const = 0;

  // Adds to the metadata that the caller gets with the status. Not to be called once the call has ended.
  virtual void AddToAnswer(const std::string& key, const std::string& value) = 0;

  // Ends the call, whose operations then complete.
  virtual void Cancel() = 0;

  // Checks that the caller still waits for the response. Virtual for unit tests.
  // Errors: DEADLINE, CANCELLED.
  virtual absl::Status CheckCaller() const {
    if (Deadline() <= std::chrono::system_clock::now()) {
      return MakeError(Reason::kDeadline, "the call's deadline has passed");
    }
    return IsCancelled() ? MakeError(Reason::kCancelled, "the call was cancelled") : absl::OkStatus();
  }

  // Returns the caller's name, by its certificate or its address.
  std::string memory_name() const override { return MemoryNameOf(CertificateName(), Peer()); }
};

}  // namespace tensorferry::rpc
