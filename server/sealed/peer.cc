#include "sealed/peer.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/status.h"
#include "sealed/side_message.h"

namespace tensorferry::sealed {
namespace {

// The kernel takes at most so many descriptors with one message, and all of them have to be received to be closed.
constexpr std::size_t kMostDescriptors = 253;

// Returns the descriptors that have come with a message. They are this process's from now on.
std::vector<FileDescriptor> DescriptorsOf(msghdr& header) {
  std::vector<FileDescriptor> descriptors;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
      descriptors.emplace_back(number);
    }
  }
  return descriptors;
}

absl::Status BadHandOver(const std::string& why) {
  return MakeError(Reason::kBadSharedMemory, why, {.field = "descriptor", .expected = "one memfd"});
}

}  // namespace

uid_t UserOf(const FileDescriptor& socket) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size);
  return peer.uid;
}

Peer::Peer(FileDescriptor socket, SealedRegions& regions)
    : socket_(std::move(socket)), user_(UserOf(socket_)), regions_(regions), quota_(regions.QuotaFor(user_)) {}

Peer::~Peer() {
  for (const std::string& name : names_) regions_.Remove(name);
}

bool Peer::Serve() {
  std::array<std::byte, kMostAskBytes> bytes{};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostDescriptors * sizeof(int))> control{};
  iovec place{bytes.data(), bytes.size()};
  msghdr header{};
  header.msg_iov = &place;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  const ssize_t received = recvmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (received < 0) return errno == EAGAIN || errno == EINTR;
  std::vector<FileDescriptor> descriptors = DescriptorsOf(header);
  if (received == 0) return false;
  const std::span<const std::byte> message(bytes.data(), static_cast<std::size_t>(received));
  if ((header.msg_flags & MSG_TRUNC) != 0) {
    Send(EncodeRefusal(ReadTag(message), BadHandOver(fmt::format("the message has more than {} bytes", bytes.size()))));
    return false;
  }
  return Answer(message, std::move(descriptors), (header.msg_flags & MSG_CTRUNC) != 0);
}

// A message that cannot be read ends the connection once it is answered: what follows cannot be trusted either. `cut`
// says that the system has dropped descriptors, as it does where this process may open no more.
bool Peer::Answer(std::span<const std::byte> message, Descriptors descriptors, bool cut) {
  const auto ask = ReadAsk(message);
  if (!ask.ok()) {
    Send(EncodeRefusal(ReadTag(message), ask.status()));
    return false;
  }
  if (ask->kind == Ask::Kind::kRelease) {
    const auto name = names_.find(ask->name);
    if (name == names_.end()) return true;
    regions_.Remove(*name);
    names_.erase(name);
    return true;
  }
  if (cut) {
    const absl::Status error = MakeError(Reason::kMemoryBudget, "the server may open no more files now");
    return Send(EncodeRefusal(ask->tag, error));
  }
  const auto name = HandOver(std::move(descriptors), *ask);
  return Send(name.ok() ? EncodeName(ask->tag, *name) : EncodeRefusal(ask->tag, name.status()));
}

absl::StatusOr<std::string> Peer::HandOver(Descriptors descriptors, const Ask& ask) {
  if (descriptors.size() != 1) {
    return BadHandOver(fmt::format("expected one descriptor with the message, got {}", descriptors.size()));
  }
  const auto add = ask.kind == Ask::Kind::kHandOverForOutputs ? &SealedRegions::AddOutput : &SealedRegions::Add;
  TENSORFERRY_ASSIGN_OR_RETURN(std::string name, (regions_.*add)(std::move(descriptors.front()), ask.nbytes, quota_));
  names_.insert(name);
  return name;
}

// A peer that reads its answers has room for them: there are never more than its messages.
bool Peer::Send(std::string_view answer) const {
  return send(socket_.get(), answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL) == std::ssize(answer);
}

}  // namespace tensorferry::sealed
