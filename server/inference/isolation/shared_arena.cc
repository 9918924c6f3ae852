#include "inference/isolation/shared_arena.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <system_error>
#include <utility>

#include "base/size_class.h"
#include "base/status.h"

namespace tensorferry::inference {
namespace {

// An arena has addresses for this many times the machine's memory. Addresses cost nothing, and blocks of one size never
// become blocks of another.
constexpr std::uint64_t kAddresses = 4;

constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kHeadBytes = SharedArena::kAlignment;
static_assert(std::atomic<std::uint32_t>::is_always_lock_free, "two processes share it");

std::uint64_t ArenaBytes() {
  return kAddresses * static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
         static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

absl::Status NoSharedMemory(std::string_view what, int error) {
  return MakeError(Reason::kMemoryBudget, "the system has not enough memory for a worker process now",
                   {.retry_after = std::chrono::milliseconds(1000),
                    .log_text = fmt::format("{}: {}", what, std::generic_category().message(error))});
}

}  // namespace

absl::StatusOr<std::shared_ptr<SharedArena>> SharedArena::Create(std::uint64_t max_idle_bytes) {
  const int descriptor = memfd_create("tensorferry", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (descriptor < 0) return NoSharedMemory("memfd_create", errno);
  // Sealed: no process can take pages away under the other, which would end it by SIGBUS.
  if (ftruncate(descriptor, static_cast<off_t>(ArenaBytes())) != 0 ||
      fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    const int error = errno;
    close(descriptor);
    return NoSharedMemory("ftruncate", error);
  }
  return Map(descriptor, max_idle_bytes);
}

absl::StatusOr<std::shared_ptr<SharedArena>> SharedArena::Open(int descriptor, std::uint64_t max_idle_bytes) {
  return Map(descriptor, max_idle_bytes);
}

absl::StatusOr<std::shared_ptr<SharedArena>> SharedArena::Map(int descriptor, std::uint64_t max_idle_bytes) {
  struct stat status {};
  void* memory = MAP_FAILED;
  if (fstat(descriptor, &status) == 0) {
    memory = mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                  descriptor, 0);
  }
  if (memory == MAP_FAILED) {
    const int error = errno;
    close(descriptor);
    return NoSharedMemory("mmap", error);
  }
  madvise(memory, static_cast<std::size_t>(status.st_size), MADV_DONTDUMP);
  const std::span bytes(static_cast<std::byte*>(memory), static_cast<std::size_t>(status.st_size));
  return std::shared_ptr<SharedArena>(new SharedArena(descriptor, bytes, max_idle_bytes));
}

SharedArena::~SharedArena() {
  munmap(memory_.data(), memory_.size());
  close(descriptor_);
}

std::atomic<std::uint32_t>& SharedArena::Users(std::byte* block) {
  return *reinterpret_cast<std::atomic<std::uint32_t>*>(block - kHeadBytes);
}

absl::StatusOr<std::byte*> SharedArena::Take(std::size_t nbytes) {
  const std::size_t needed = kHeadBytes + nbytes;
  if (nbytes > memory_.size()) return NoSharedMemory("the arena has fewer addresses", ENOMEM);
  const MutexLock lock(mutex_);
  SweepLent();
  TENSORFERRY_ASSIGN_OR_RETURN(const std::uint64_t offset, FindFree(SizeClass(needed)));
  Block& block = blocks_.at(offset);
  if (block.resident < needed) {
    // Without memory for a page, touching it would end the process: here it is an error.
    int error = 0;
    do {
      error = fallocate(descriptor_, 0, static_cast<off_t>(offset), static_cast<off_t>(needed)) == 0 ? 0 : errno;
    } while (error == EINTR);
    if (error != 0) {
      free_[block.size_class].push_back(offset);
      idle_bytes_ += block.resident;
      return NoSharedMemory("fallocate", error);
    }
    block.resident = needed;
  }
  std::byte* const data = memory_.data() + offset + kHeadBytes;
  Users(data).store(1, std::memory_order_relaxed);
  return data;
}

// Returns the place of a free block, which is not free any more.
absl::StatusOr<std::uint64_t> SharedArena::FindFree(std::size_t size_class) {
  if (free_.empty()) free_.resize(kSizeClasses);
  if (size_class >= kSizeClasses) return NoSharedMemory("the arena has no such blocks", ENOMEM);
  std::vector<std::uint64_t>& free = free_[size_class];
  if (!free.empty()) {
    const std::uint64_t offset = free.back();
    free.pop_back();
    idle_bytes_ -= blocks_.at(offset).resident;
    return offset;
  }
  const std::size_t capacity = ClassCapacity(size_class);
  const std::size_t alignment = capacity < kPageBytes ? kAlignment : kPageBytes;
  const std::uint64_t offset = (end_ + alignment - 1) / alignment * alignment;
  if (offset > memory_.size() || memory_.size() - offset < capacity) {
    return NoSharedMemory("the arena has no more addresses", ENOMEM);
  }
  end_ = offset + capacity;
  blocks_.emplace(offset, Block{.size_class = size_class});
  return offset;
}

void SharedArena::GiveBack(std::byte* block) {
  const MutexLock lock(mutex_);
  const std::uint64_t offset = OffsetOf(block) - kHeadBytes;
  if (Users(block).fetch_sub(1, std::memory_order_acquire) == 1) {
    Free(offset);
  } else {
    lent_.push_back(offset);
  }
}

// Frees the blocks that the other process has used up.
void SharedArena::SweepLent() {
  std::size_t kept = 0;
  for (const std::uint64_t offset : lent_) {
    if (Users(memory_.data() + offset + kHeadBytes).load(std::memory_order_acquire) == 0) {
      Free(offset);
    } else {
      lent_[kept++] = offset;
    }
  }
  lent_.resize(kept);
}

void SharedArena::Free(std::uint64_t offset) {
  Block& block = blocks_.at(offset);
  if (idle_bytes_ + block.resident > max_idle_bytes_) Vacate(offset, block);
  idle_bytes_ += block.resident;
  free_[block.size_class].push_back(offset);
}

// Gives the memory of a block back. Small blocks share their pages with others, and keep them.
void SharedArena::Vacate(std::uint64_t offset, Block& block) {
  if (ClassCapacity(block.size_class) < kPageBytes) return;
  const std::size_t nbytes = (block.resident + kPageBytes - 1) / kPageBytes * kPageBytes;
  if (fallocate(descriptor_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                static_cast<off_t>(std::min(nbytes, ClassCapacity(block.size_class)))) == 0) {
    block.resident = 0;
  }
}

void SharedArena::Trim() {
  const MutexLock lock(mutex_);
  SweepLent();
  for (const std::vector<std::uint64_t>& offsets : free_) {
    for (const std::uint64_t offset : offsets) {
      Block& block = blocks_.at(offset);
      idle_bytes_ -= block.resident;
      Vacate(offset, block);
      idle_bytes_ += block.resident;
    }
  }
}

bool SharedArena::Holds(const void* data) const {
  const std::less<> before;
  return !before(data, memory_.data()) && before(data, memory_.data() + memory_.size());
}

std::byte* SharedArena::Find(std::uint64_t offset, std::uint64_t data, std::uint64_t nbytes) const {
  const bool fits = offset >= kHeadBytes && offset % kAlignment == 0 && offset <= data && data <= memory_.size() &&
                    memory_.size() - data >= nbytes;
  return fits ? memory_.data() + offset : nullptr;
}

}  // namespace tensorferry::inference
