#include "base/buffer_pool.h"

#include <fmt/format.h>
#include <sys/mman.h>
#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>
#else
// NOLINTBEGIN(readability-identifier-naming): they are named as the header has them.
#define ASAN_POISON_MEMORY_REGION(address, nbytes) static_cast<void>(0)
#define ASAN_UNPOISON_MEMORY_REGION(address, nbytes) static_cast<void>(0)
// NOLINTEND(readability-identifier-naming)
#endif

#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

#include "base/status.h"

namespace tensorferry {
namespace {

constexpr std::size_t kHugePage = 2 << 20;

// Memory of at least this capacity is mapped from the system: malloc would keep what Trim frees.
constexpr std::size_t kMapFrom = 256 << 10;

std::size_t MappedBytes(std::size_t capacity) { return sizeof(BufferHead) + capacity; }

void* Map(std::size_t nbytes) {
  void* const memory = mmap(nullptr, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

// A huge page causes one page fault for 2 MiB, but only where memory is aligned to 2 MiB. So MapHuge maps more than is
// needed, and unmaps what lies before and after the aligned part. The first `small_bytes` stay in small pages.
void* MapHuge(std::size_t nbytes, std::size_t small_bytes) {
  void* const mapped = Map(nbytes + kHugePage);
  if (mapped == nullptr) return nullptr;
  auto* const begin = static_cast<std::byte*>(mapped);
  void* aligned = mapped;
  std::size_t space = nbytes + kHugePage;
  std::align(kHugePage, nbytes, aligned, space);
  auto* const start = static_cast<std::byte*>(aligned);
  if (start > begin) munmap(begin, static_cast<std::size_t>(start - begin));
  auto* const end = start + (nbytes + 4095) / 4096 * 4096;
  if (auto* const mapped_end = begin + nbytes + kHugePage; end < mapped_end) {
    munmap(end, static_cast<std::size_t>(mapped_end - end));
  }
  // Where the system refuses, it does as it does with all memory.
  if (small_bytes > 0) madvise(start, small_bytes, MADV_NOHUGEPAGE);
  madvise(start + small_bytes, nbytes - small_bytes, MADV_HUGEPAGE);
  return start;
}

// Returns null if the system has no memory. Whoever announces many bytes and sends few must not have the system fill a huge
// page with zeros, which takes a thousand times as long as to receive them.
void* TakeFromSystem(std::size_t capacity, BufferPool::Arrival arrival) {
  const std::size_t nbytes = MappedBytes(capacity);
  if (capacity >= kHugePage) return MapHuge(nbytes, arrival == BufferPool::Arrival::kInSteps ? kHugePage : 0);
  if (capacity >= kMapFrom) return Map(nbytes);
  return std::aligned_alloc(AlignedBuffer::kAlignment, nbytes);
}

void GiveToSystem(BufferHead* head) {
  const std::size_t capacity = head->capacity;
  ASAN_UNPOISON_MEMORY_REGION(head + 1, capacity);
  head->~BufferHead();
  if (capacity >= kMapFrom) {
    munmap(head, MappedBytes(capacity));
  } else {
    std::free(head);
  }
}

// Gives back a list of buffers that nobody uses. Returns the number of their bytes.
std::uint64_t GiveAllToSystem(BufferHead* first) {
  std::uint64_t nbytes = 0;
  while (first != nullptr) {
    nbytes += first->capacity;
    GiveToSystem(std::exchange(first, first->next));
  }
  return nbytes;
}

absl::Status NoMemory(std::size_t nbytes) {
  return MakeError(Reason::kMemoryBudget, fmt::format("the system has no {} bytes of memory now", nbytes),
                   {.actual = fmt::to_string(nbytes), .retry_after = std::chrono::milliseconds(1000)});
}

}  // namespace

void AlignedBuffer::GiveBack(void* released) {
  if (released == nullptr) return;
  auto* const head = static_cast<BufferHead*>(released);
  head->pool->GiveBack(head);
}

BufferPool::~BufferPool() {
  for (std::size_t size_class = 0; size_class < kSizeClasses; ++size_class) {
    while (BufferHead* const head = PopIdle(size_class)) GiveToSystem(head);
  }
}

absl::StatusOr<AlignedBuffer> BufferPool::Take(std::size_t nbytes, const MemoryPeer* peer) {
  TENSORFERRY_ASSIGN_OR_RETURN(MemoryBudget::Reservation reservation, Reserve(nbytes, peer));
  return Take(std::move(reservation));
}

absl::StatusOr<AlignedBuffer> BufferPool::Take(MemoryBudget::Reservation reservation) {
  const std::size_t nbytes = reservation.nbytes();
  if (nbytes == 0) return AlignedBuffer();
  BufferHead* head = TakeIdle(nbytes);
  if (head == nullptr) {
    TENSORFERRY_ASSIGN_OR_RETURN(head, TakeFresh(nbytes, Arrival::kAtOnce));
  }
  return HandOut(head, nbytes, std::move(reservation));
}

absl::StatusOr<AlignedBuffer> BufferPool::TakeInSteps(std::size_t nbytes, const MemoryPeer* peer) {
  if (nbytes == 0) return AlignedBuffer();
  TENSORFERRY_RETURN_IF_ERROR(budget_.CheckRoom(nbytes, peer));
  if (BufferHead* const head = TakeIdle(nbytes)) {
    auto reservation = Reserve(nbytes, peer);
    if (reservation.ok()) return HandOut(head, nbytes, *std::move(reservation));
    GiveBack(head);
    return reservation.status();
  }
  TENSORFERRY_ASSIGN_OR_RETURN(BufferHead* const head, TakeFresh(nbytes, Arrival::kInSteps));
  return HandOut(head, nbytes, {});
}

// Returns null if no idle buffer has room for `nbytes` bytes without wasting any.
BufferHead* BufferPool::TakeIdle(std::size_t nbytes) {
  const std::size_t size_class = SizeClass(nbytes);
  const std::lock_guard lock(mutex_);
  BufferHead* const head = size_class < kSizeClasses ? PopIdle(size_class) : nullptr;
  ++stats_.taken;
  if (head != nullptr) ++stats_.reused;
  return head;
}

absl::StatusOr<BufferHead*> BufferPool::TakeFresh(std::size_t nbytes, Arrival arrival) {
  const std::size_t size_class = SizeClass(nbytes);
  if (size_class >= kSizeClasses) return NoMemory(nbytes);
  GiveIdleBackForRoom();
  const std::size_t capacity = ClassCapacity(size_class);
  void* const memory = TakeFromSystem(capacity, arrival);
  if (memory == nullptr) return NoMemory(nbytes);
  return new (memory) BufferHead{.pool = this, .capacity = capacity};
}

AlignedBuffer BufferPool::HandOut(BufferHead* head, std::size_t nbytes, MemoryBudget::Reservation reservation) {
  // The bytes after the array belong to nobody, although they are mapped: AddressSanitizer reports their use.
  ASAN_POISON_MEMORY_REGION(head + 1, head->capacity);
  ASAN_UNPOISON_MEMORY_REGION(head + 1, nbytes);
  head->nbytes = nbytes;
  head->reservation = std::move(reservation);
  return AlignedBuffer(head);
}

absl::Status AlignedBuffer::AdmitMore(std::size_t nbytes, const MemoryPeer* peer) {
  constexpr std::size_t kStep = BufferPool::kStep;
  const std::size_t wanted = std::min(head_->nbytes, (nbytes + kStep - 1) / kStep * kStep);
  TENSORFERRY_RETURN_IF_ERROR(head_->pool->GrowTo(wanted, head_->reservation, peer));
  head_->pool->GiveIdleBackForRoom();
  return absl::OkStatus();
}

BufferHead* BufferPool::PopIdle(std::size_t size_class) {
  IdleList& list = idle_[size_class];
  BufferHead* const head = list.first;
  if (head == nullptr) return nullptr;
  list.first = head->next;
  list.least = std::min(list.least, --list.count);
  stats_.idle_bytes -= head->capacity;
  return head;
}

void BufferPool::GiveBack(BufferHead* head) {
  {
    const MemoryBudget::Reservation ended = std::move(head->reservation);
    const std::lock_guard lock(mutex_);
    if (stats_.idle_bytes + head->capacity <= max_idle_bytes_) {
      ASAN_POISON_MEMORY_REGION(head + 1, head->capacity);
      IdleList& list = idle_[SizeClass(head->capacity)];
      head->next = std::exchange(list.first, head);
      ++list.count;
      stats_.idle_bytes += head->capacity;
      return;
    }
  }
  GiveToSystem(head);
}

std::uint64_t BufferPool::Trim() {
  BufferHead* unneeded = nullptr;
  {
    const std::lock_guard lock(mutex_);
    for (std::size_t size_class = 0; size_class < kSizeClasses; ++size_class) {
      for (std::size_t i = idle_[size_class].least; i > 0; --i) {
        BufferHead* const head = PopIdle(size_class);
        head->next = std::exchange(unneeded, head);
      }
      idle_[size_class].least = idle_[size_class].count;
    }
  }
  return GiveAllToSystem(unneeded);
}

// Gives idle buffers back to the system, the largest first, until they and all that is in use fit the budget together.
void BufferPool::GiveIdleBackForRoom() {
  BufferHead* unneeded = nullptr;
  {
    const std::lock_guard lock(mutex_);
    const auto is_over = [this] { return budget_.used() + stats_.idle_bytes > budget_.limit(); };
    for (std::size_t size_class = kSizeClasses; size_class-- > 0 && is_over();) {
      while (is_over() && idle_[size_class].first != nullptr) {
        BufferHead* const head = PopIdle(size_class);
        head->next = std::exchange(unneeded, head);
      }
    }
  }
  GiveAllToSystem(unneeded);
}

BufferPool::Stats BufferPool::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

}  // namespace tensorferry
