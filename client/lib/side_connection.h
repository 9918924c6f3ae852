#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "base/file_descriptor.h"
#include "lib/region.h"

namespace tensorferry::client {

// SideConnection hands sealed memory over to a server on this machine, beside its gRPC socket. It connects when it is
// first used, and anew when the connection is lost.
// Threads: any.
class SideConnection {
 public:
  // `path` is that of the gRPC socket.
  explicit SideConnection(std::string path) : path_(std::move(path)) {}

  // Hands `memory` over, which is sealed and has `nbytes` bytes. It waits at most two seconds, and after that has
  // happened it fails at once for ten.
  // Errors: the server's refusal, with its reason; UNAVAILABLE if nobody listens beside the gRPC socket who is its
  //         owner, or if there is no answer.
  absl::StatusOr<Region> HandOver(const FileDescriptor& memory, std::uint64_t nbytes);

 private:
  absl::Status Connect();
  absl::Status Send(const FileDescriptor& memory, std::uint64_t nbytes);
  absl::StatusOr<Region> Receive();
  absl::Status Lost(const std::string& why);

  const std::string path_;
  std::mutex mutex_;                              // Guards the members below. Answers come in the order of messages.
  std::shared_ptr<const FileDescriptor> socket_;  // Null: it is not connected.
  std::chrono::steady_clock::time_point rest_until_;
};

}  // namespace tensorferry::client
