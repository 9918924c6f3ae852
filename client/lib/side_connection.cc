#include "lib/side_connection.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <system_error>

#include "base/reversed.h"
#include "base/status.h"
#include "base/text.h"

namespace tensorferry::client {
namespace {

// docs/shared-memory.md has the layout of messages.
struct [[gnu::packed]] AskHeader {
  std::uint16_t version = 1;
  std::uint16_t kind = 0;
  std::uint32_t tag = 0;
  std::uint64_t nbytes = 0;
};
static_assert(sizeof(AskHeader) == 16);

constexpr std::uint16_t kRelease = 2;
constexpr std::uint16_t kTaken = 1;
constexpr std::size_t kAnswerHeaderBytes = 8;
constexpr std::size_t kKindAt = 2;
constexpr std::size_t kTagAt = 4;  // One tag does for all: each answer is waited for.
constexpr std::chrono::seconds kPatience(2);
constexpr std::chrono::seconds kPause(10);
constexpr char kNoTimeLeft[] = "the call has no time left to hand sealed memory over";

std::string SystemError(int error) { return std::generic_category().message(error); }

// Returns whether the owner of the gRPC socket is who listens: in a folder that all may write to, anybody could.
bool IsOwner(int connected, const std::string& path) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  struct stat file {};
  return getsockopt(connected, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && stat(path.c_str(), &file) == 0 &&
         S_ISSOCK(file.st_mode) && file.st_uid == peer.uid;
}

// Returns whether the server has refused memory because of what it has already.
bool IsExhausted(const absl::Status& status) {
  return !status.ok() && DescribeError(status).reason == Reason::kMemoryBudget;
}

}  // namespace

Region::~Region() {
  const AskHeader header{.kind = kRelease};
  std::string message(reinterpret_cast<const char*>(&header), sizeof(header));
  message += name_;
  // A server that does not read is gone, or will be; the region goes with the connection.
  send(socket_->get(), message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

SideConnection::~SideConnection() {
  const std::scoped_lock lock(mutex_);
  ForgetAllKept();
}

absl::StatusOr<std::shared_ptr<const Region>> SideConnection::HandOver(const std::shared_ptr<SealedMemory>& memory,
                                                                       Keep keep, Clock::time_point give_up) {
  const std::unique_lock lock(mutex_, give_up);
  if (!lock) return absl::UnavailableError(kNoTimeLeft);
  std::shared_ptr<const Region> there = memory->region();
  if (there != nullptr && IsThere(there)) return there;
  if (memory->file() < 0) return absl::UnavailableError("the server does not have this memory any more");
  auto region = Ask(*memory, give_up);
  // What this client keeps takes the place of what it needs.
  if (IsExhausted(region.status()) && ForgetAllKept()) region = Ask(*memory, give_up);
  if (!region.ok() || keep == Keep::kForRequests) return region;
  ForgetKept(memory->kind(), kMostKept - 1, kMostKeptBytes - std::min(memory->nbytes(), kMostKeptBytes));
  memory->set_region(*region);
  kept_[memory->kind()].push_back(memory);
  return region;
}

absl::Status SideConnection::Reach(Clock::time_point give_up) {
  const std::unique_lock lock(mutex_, give_up);
  if (!lock) return absl::UnavailableError(kNoTimeLeft);
  return ReachNow();
}

// IsThere returns whether the server has the region still, as far as is known: one that has ended has closed the
// connection. No answer is awaited now, so that nothing else can be read from it.
bool SideConnection::IsThere(const std::shared_ptr<const Region>& region) {
  if (socket_ == nullptr || !region->IsOf(socket_)) return false;
  pollfd polled{socket_->get(), POLLIN, 0};
  if (poll(&polled, 1, 0) == 0) return true;
  socket_ = nullptr;
  return false;
}

// Returns whether there was anything to forget.
bool SideConnection::ForgetAllKept() {
  bool any = false;
  for (const auto& [kind, kept] : kept_) {
    any = any || !kept.empty();
    ForgetKept(kind, 0, 0);
  }
  return any;
}

// Forgets the oldest regions of a kind that are kept with their memory, beyond these numbers. Those that requests use
// stay until they are answered.
void SideConnection::ForgetKept(MemoryKind kind, std::size_t most, std::uint64_t most_bytes) {
  std::uint64_t nbytes = 0;
  std::deque<Kept> still_kept;
  for (const Kept& kept : Reversed(kept_[kind])) {
    const std::shared_ptr<SealedMemory> memory = kept.lock();
    const std::shared_ptr<const Region> region = memory == nullptr ? nullptr : memory->region();
    if (region == nullptr || !region->IsOf(socket_)) continue;
    if (still_kept.size() < most && memory->nbytes() <= most_bytes - nbytes) {
      nbytes += memory->nbytes();
      still_kept.push_front(kept);
    } else {
      memory->set_region(nullptr);
    }
  }
  kept_[kind] = std::move(still_kept);
}

absl::Status SideConnection::ReachNow() {
  if (Clock::now() < rest_until_) return Lost("the server did not answer a short time ago");
  return socket_ == nullptr ? Connect() : absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const Region>> SideConnection::Ask(const SealedMemory& memory,
                                                                  Clock::time_point give_up) {
  if (Clock::now() >= give_up) return absl::UnavailableError(kNoTimeLeft);
  const bool was_connected = socket_ != nullptr;
  TENSORFERRY_RETURN_IF_ERROR(ReachNow());
  absl::Status sent = Send(memory);
  if (!sent.ok() && was_connected) {  // The server may have started anew since.
    TENSORFERRY_RETURN_IF_ERROR(Connect());
    sent = Send(memory);
  }
  TENSORFERRY_RETURN_IF_ERROR(sent);
  return Receive(give_up);
}

absl::Status SideConnection::Connect() {
  const std::string side = path_ + ".sealed";
  if (side.size() > kMaxUnixPathBytes) return Lost("the path is too long");
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  side.copy(address.sun_path, kMaxUnixPathBytes);
  FileDescriptor made(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!made || connect(made.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return Lost(SystemError(errno));
  }
  if (!IsOwner(made.get(), path_)) return Lost("who listens there does not own the gRPC socket");
  socket_ = std::make_shared<const FileDescriptor>(std::move(made));
  return absl::OkStatus();
}

absl::Status SideConnection::Send(const SealedMemory& memory) {
  AskHeader header{.kind = static_cast<std::uint16_t>(memory.kind()), .nbytes = memory.nbytes()};
  iovec place{&header, sizeof(header)};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &place;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* const part = CMSG_FIRSTHDR(&message);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof(int));
  const int descriptor = memory.file();
  std::memcpy(CMSG_DATA(part), &descriptor, sizeof(descriptor));
  constexpr auto kAll = static_cast<ssize_t>(sizeof(header));
  if (sendmsg(socket_->get(), &message, MSG_NOSIGNAL) == kAll) return absl::OkStatus();
  return Lost(SystemError(errno));
}

absl::StatusOr<std::shared_ptr<const Region>> SideConnection::Receive(Clock::time_point give_up) {
  pollfd polled{socket_->get(), POLLIN, 0};
  const Clock::time_point end = std::min(Clock::now() + kPatience, give_up);
  int ready = 0;
  do {  // Signals that come again and again, as a profiler's, do not make it wait for longer.
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    ready = poll(&polled, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
  } while (ready < 0 && errno == EINTR);
  if (ready <= 0) {
    rest_until_ = Clock::now() + kPause;
    return Lost("the server does not answer");
  }
  std::array<char, 4096> bytes{};
  const ssize_t received = recv(socket_->get(), bytes.data(), bytes.size(), 0);
  if (received < static_cast<ssize_t>(kAnswerHeaderBytes)) return Lost("the server closed the connection");
  std::string_view text(bytes.data(), static_cast<std::size_t>(received));
  std::uint16_t kind = 0;
  std::uint32_t tag = 0;
  std::memcpy(&kind, text.data() + kKindAt, sizeof(kind));
  std::memcpy(&tag, text.data() + kTagAt, sizeof(tag));
  if (tag != AskHeader{}.tag) return Lost("the server answered what nobody had asked");
  text.remove_prefix(kAnswerHeaderBytes);
  if (kind == kTaken) return std::make_shared<const Region>(socket_, std::string(text));
  const std::size_t blank = std::min(text.find(' '), text.size());
  const auto reason = ParseReason(text.substr(0, blank));
  if (!reason) return absl::UnknownError(std::string(text));
  return MakeError(*reason, std::string(text.substr(std::min(blank + 1, text.size()))));
}

// Lost gives the connection up: answers that may still come are for nobody. Regions that were handed over on it stay
// until they are destroyed.
absl::Status SideConnection::Lost(const std::string& why) {
  socket_ = nullptr;
  return absl::UnavailableError(fmt::format("no sealed memory is taken at {}.sealed: {}", path_, why));
}

}  // namespace tensorferry::client
