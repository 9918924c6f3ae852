#include "rpc/socket_file.h"

#include <fmt/format.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <system_error>

#include "base/status.h"
#include "base/text.h"

namespace tensorferry::rpc {
namespace {

constexpr mode_t kOwnerOnlyMask = 0177;
// Without a mode a socket has this one, less the umask, as any file of a socket.
constexpr mode_t kUnmasked = 0777;

std::optional<gid_t> FindGroup(const std::string& name) {
  if (const auto number = ParseNumber(name); number && *number < std::numeric_limits<gid_t>::max()) {
    return static_cast<gid_t>(*number);
  }
  const group* const found = getgrnam(name.c_str());
  return found == nullptr ? std::nullopt : std::optional(found->gr_gid);
}

absl::Status CannotSet(std::string_view what, int error) {
  return absl::UnavailableError(fmt::format("cannot set its {}: {}", what, std::generic_category().message(error)));
}

mode_t CurrentMask() {
  const mode_t mask = umask(kOwnerOnlyMask);
  umask(mask);
  return mask;
}

}  // namespace

OwnerOnly::OwnerOnly(bool applies) : former_(applies ? std::optional(umask(kOwnerOnlyMask)) : std::nullopt) {}

OwnerOnly::~OwnerOnly() {
  if (former_) umask(*former_);
}

absl::Status SetSocketRights(const std::string& path, const SocketRights& rights) {
  if (!rights.group.empty()) {
    const auto id = FindGroup(rights.group);
    if (!id) return absl::UnavailableError(fmt::format("there is no group {}", Quote(rights.group)));
    constexpr auto kSameOwner = static_cast<uid_t>(-1);
    if (chown(path.c_str(), kSameOwner, *id) != 0) return CannotSet("group", errno);
  }
  const mode_t mode = rights.mode ? *rights.mode : kUnmasked & ~CurrentMask();
  return chmod(path.c_str(), mode) == 0 ? absl::OkStatus() : CannotSet("mode", errno);
}

}  // namespace tensorferry::rpc
