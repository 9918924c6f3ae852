#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "base/file_descriptor.h"
#include "lib/region.h"
#include "lib/sealed_memory.h"

namespace tensorferry::client {

// SideConnection hands sealed memory over to a server on this machine, beside its gRPC socket. It connects when it is
// first used, and anew when the connection is lost.
// Threads: any.
class SideConnection {
 public:
  // `path` is that of the gRPC socket.
  explicit SideConnection(std::string path) : path_(std::move(path)) {}
  SideConnection(const SideConnection&) = delete;
  SideConnection& operator=(const SideConnection&) = delete;
  ~SideConnection();  // The server forgets what is kept with its memory, which may live on.

  using Clock = std::chrono::steady_clock;

  // Keep says how long the server has a region: while any request uses it, or as long as the memory, for a caller who
  // may send it again.
  enum class Keep : bool { kForRequests, kWithMemory };

  // Hands `memory` over, unless the server has it still. It waits at most two seconds, and not beyond `give_up`; when
  // it has waited for nothing it fails at once for ten seconds. Of the regions that are kept with their memory the
  // server has at most kMostKept of each kind, those that were handed over last.
  // Errors: the server's refusal, with its reason; UNAVAILABLE if nobody listens beside the gRPC socket who is its
  //         owner, if there is no answer, and for memory for outputs that the server had, and has no more.
  absl::StatusOr<std::shared_ptr<const Region>> HandOver(const std::shared_ptr<SealedMemory>& memory, Keep keep,
                                                         Clock::time_point give_up);
  static constexpr std::size_t kMostKept = 8;
  static constexpr std::uint64_t kMostKeptBytes = std::uint64_t{512} << 20;

  // Connects, if it is not connected: whether HandOver may succeed is known before the memory for it is made.
  // Errors: UNAVAILABLE, as of HandOver.
  absl::Status Reach(Clock::time_point give_up);

 private:
  using Kept = std::weak_ptr<SealedMemory>;

  // Call these functions with mutex_ locked.
  bool IsThere(const std::shared_ptr<const Region>& region);
  absl::Status ReachNow();
  absl::StatusOr<std::shared_ptr<const Region>> Ask(const SealedMemory& memory, Clock::time_point give_up);
  absl::Status Connect();
  absl::Status Send(const SealedMemory& memory);
  absl::StatusOr<std::shared_ptr<const Region>> Receive(Clock::time_point give_up);
  absl::Status Lost(const std::string& why);
  bool ForgetAllKept();
  void ForgetKept(MemoryKind kind, std::size_t most, std::uint64_t most_bytes);

  const std::string path_;
  std::timed_mutex mutex_;                        // Guards the members below. Answers come in the order of messages.
  std::shared_ptr<const FileDescriptor> socket_;  // Null: it is not connected.
  Clock::time_point rest_until_;
  std::map<MemoryKind, std::deque<Kept>> kept_;  // The memory whose region is kept with it, the oldest first.
};

}  // namespace tensorferry::client
