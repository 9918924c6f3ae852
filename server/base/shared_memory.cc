#include "base/shared_memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/status.h"

namespace tensorferry {
namespace {

std::size_t PageBytes() {
  static const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

absl::Status Bad(std::string_view name, const std::string& why, const ErrorDetails& details = {}) {
  return MakeError(Reason::kBadSharedMemory, fmt::format("shared memory region {} {}", Quote(name), why), details);
}

// Returns the number of regions that may be registered at once. Each keeps a file open, and most of the files that the
// process may open are left for connections.
std::size_t MaxRegions() {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  return std::min<std::uint64_t>(WatchedMapping::kMaxAtOnce, files.rlim_cur / 4);
}

// Returns the key with one slash in front: shm_open takes any number of them for the same, and Python's multiprocessing
// gives names without one.
std::string WithSlash(std::string_view key) {
  key.remove_prefix(std::min(key.find_first_not_of('/'), key.size()));
  return "/" + std::string(key);
}

bool IsKey(std::string_view key) {
  return key.size() > 1 && key.size() < 255 && key.front() == '/' && key.find('/', 1) == std::string_view::npos &&
         key.find('\0') == std::string_view::npos;
}

std::uint64_t SizeOf(int file) {
  struct stat status {};
  return fstat(file, &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

absl::Status Disabled(std::string_view what, std::string_view why) {
  return MakeError(Reason::kSharedMemoryDisabled,
                   fmt::format("this server takes {}{}{}", what, why.empty() ? "" : ": ", why),
                   {.field = "shared_memory"});
}

bool LiesIn(std::uint64_t offset, std::uint64_t nbytes, std::uint64_t size) {
  return offset <= size && nbytes <= size - offset;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const SystemRegion>> SystemRegion::Map(const std::string& name, const std::string& key,
                                                                      std::uint64_t offset, std::uint64_t nbytes,
                                                                      int file) {
  std::shared_ptr<SystemRegion> region(new SystemRegion(name, key, offset, nbytes, file));
  const std::size_t before = offset % PageBytes();
  const std::size_t pages_nbytes = before + nbytes;
  void* const pages =
      mmap(nullptr, pages_nbytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, static_cast<off_t>(offset - before));
  if (pages != MAP_FAILED) {
    region->pages_ = {static_cast<std::byte*>(pages), pages_nbytes};
    region->watch_ = WatchedMapping::Watch(region->pages_);
  }
  if (!region->watch_) {
    return MakeError(Reason::kMemoryBudget, "the system maps no more shared memory now",
                     {.retry_after = std::chrono::milliseconds(1000)});
  }
  region->data_ = region->pages_.data() + before;
  return region;
}

SystemRegion::~SystemRegion() {
  watch_.reset();
  if (!pages_.empty()) munmap(pages_.data(), pages_.size());
  close(file_);
}

absl::Status SystemRegion::CheckWhole() const {
  const bool whole = !watch_->truncated() && LiesIn(offset_, nbytes(), SizeOf(file_));
  return whole ? absl::OkStatus()
               : Bad(name(), "has become smaller since it was registered", {.field = "shared_memory"});
}

absl::Status SystemRegion::Read(std::uint64_t offset, std::span<std::byte> destination) const {
  TENSORFERRY_RETURN_IF_ERROR(CheckWhole());
  if (!destination.empty()) std::memmove(destination.data(), data_ + offset, destination.size());
  return CheckWhole();
}

absl::Status SystemRegion::Write(std::uint64_t offset, std::span<const std::byte> content) const {
  TENSORFERRY_RETURN_IF_ERROR(CheckWhole());
  if (!content.empty()) std::memmove(data_ + offset, content.data(), content.size());
  return CheckWhole();
}

SharedRegions::SharedRegions(const RegionKinds& kinds, std::string_view why_disabled)
    : kinds_(kinds), why_disabled_(why_disabled), max_regions_(MaxRegions()) {}

absl::Status SharedRegions::CheckEnabled() const {
  return kinds_.any() ? absl::OkStatus() : Disabled("nothing from shared memory", why_disabled_);
}

absl::StatusOr<bool> SharedRegions::Register(const std::string& name, const std::string& key, std::uint64_t offset,
                                             std::uint64_t nbytes) {
  TENSORFERRY_RETURN_IF_ERROR(CheckEnabled());
  if (!kinds_.system) return Disabled("no POSIX shared memory", why_disabled_);
  const ErrorDetails of_key{.field = "key", .expected = "/name", .actual = Quote(key)};
  if (name.empty()) return Bad(name, "needs a name", {.field = "name"});
  const std::string path = WithSlash(key);
  if (!IsKey(path)) return Bad(name, fmt::format("has key {}; keys look like '/name'", Quote(key)), of_key);
  if (nbytes == 0) return Bad(name, "has no bytes", {.field = "byte_size"});
  const int file = shm_open(path.c_str(), O_RDWR | O_CLOEXEC, 0);
  if (file < 0) {
    return Bad(name, fmt::format("cannot be registered. Unable to open shared memory region: {}", Quote(key)), of_key);
  }
  const std::uint64_t size = SizeOf(file);
  if (!LiesIn(offset, nbytes, size)) {
    close(file);
    return Bad(name, fmt::format("is {} bytes from {} on, but the object has {}", nbytes, offset, size),
               {.field = "byte_size", .actual = fmt::to_string(nbytes), .limit = fmt::to_string(size)});
  }
  TENSORFERRY_ASSIGN_OR_RETURN(std::shared_ptr<const SharedRegion> region,
                               SystemRegion::Map(name, key, offset, nbytes, file));
  return Add(std::move(region));
}

absl::StatusOr<bool> SharedRegions::Add(std::shared_ptr<const SharedRegion> region) {
  const std::string& name = region->name();
  const std::lock_guard lock(mutex_);
  if (regions_.size() >= max_regions_ && !regions_.contains(name)) {
    return Bad(name, fmt::format("is one too many: there are {}, as many as may be", regions_.size()),
               {.limit = fmt::to_string(max_regions_)});
  }
  return regions_.try_emplace(name, std::move(region)).second;
}

void SharedRegions::Remove(const std::string& name, bool (*is_meant)(const SharedRegion&)) {
  std::vector<std::shared_ptr<const SharedRegion>> let_go;  // Closed once the lock is free, as that takes time.
  const std::lock_guard lock(mutex_);
  std::erase_if(regions_, [&](auto& entry) {
    const bool removed = (name.empty() || entry.first == name) && is_meant(*entry.second);
    if (removed) let_go.push_back(std::move(entry.second));
    return removed;
  });
}

absl::StatusOr<SharedRange> SharedRegions::Find(std::string_view name, std::uint64_t offset,
                                                std::uint64_t nbytes) const {
  TENSORFERRY_RETURN_IF_ERROR(CheckEnabled());
  const std::lock_guard lock(mutex_);
  const auto found = regions_.find(name);
  if (found == regions_.end()) {
    return MakeError(Reason::kRegionNotFound, fmt::format("Unable to find shared memory region: {}", Quote(name)),
                     {.field = "shared_memory.region", .actual = Quote(name)});
  }
  if (!LiesIn(offset, nbytes, found->second->nbytes())) {
    return Bad(name, fmt::format("has {} bytes, not {} from {} on", found->second->nbytes(), nbytes, offset),
               {.field = "shared_memory",
                .actual = fmt::format("{} + {}", offset, nbytes),
                .limit = fmt::to_string(found->second->nbytes())});
  }
  return SharedRange{found->second, offset, nbytes};
}

}  // namespace tensorferry
