// Who may connect to a Unix socket is what its file says.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "absl/status/status.h"

namespace tensorferry::rpc {

// SocketRights says which rights the files of Unix sockets get. Connecting takes the right to write.
struct SocketRights {
  std::optional<mode_t> mode{};  // Nothing: what the process's umask leaves.
  std::string group{};           // A name or a number. Empty: the process's own.

  bool any() const { return mode || !group.empty(); }
};

// OwnerOnly lets files that are made meanwhile belong to the process's user alone, if `applies`: between the moment when
// gRPC makes a socket and SetSocketRights nobody else can connect. The umask is the process's.
class OwnerOnly {
 public:
  explicit OwnerOnly(bool applies);
  OwnerOnly(const OwnerOnly&) = delete;
  OwnerOnly& operator=(const OwnerOnly&) = delete;
  ~OwnerOnly();

 private:
  const std::optional<mode_t> former_;
};

// Sets the rights of the socket at `path`: the group first, as the mode opens it.
// Errors: UNAVAILABLE, with what could not be set, and why.
absl::Status SetSocketRights(const std::string& path, const SocketRights& rights);

}  // namespace tensorferry::rpc
