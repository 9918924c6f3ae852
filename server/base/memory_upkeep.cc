#include "base/memory_upkeep.h"

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

namespace tensorferry {
namespace {

// What nobody has needed at kLooks looks one after the other is given back.
constexpr std::chrono::seconds kLook{2};
constexpr int kLooks = 5;
constexpr int kMiB = 1 << 20;
constexpr int kKeptWhenIdle = 16 * kMiB;

// While requests come malloc may have this much free, so that what most of them need is not filled with zeros each time.
constexpr int kKeptWhenBusy = 64 * kMiB;

constexpr std::size_t kNotLooked = std::numeric_limits<std::size_t>::max();

}  // namespace

void KeepMallocMemory() {
  // With one arena, the memory that one thread frees serves the next thread; with more, each arena keeps its own pages.
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_THRESHOLD, 1024 * kMiB);
  mallopt(M_TRIM_THRESHOLD, 512 * kMiB);
  mallopt(M_TOP_PAD, 16 * kMiB);
}

MemoryUpkeep::MemoryUpkeep(BufferPool& pool, Report report)
    : pool_(pool),
      report_(std::move(report)),
      least_free_(kNotLooked),
      thread_(
          kLook, [this] { Look(); }, "giving memory back") {}

void MemoryUpkeep::Look() {
  least_free_ = std::min(least_free_, mallinfo2().fordblks);
  if (++looks_ < kLooks) return;
  GiveBack();
  looks_ = 0;
  least_free_ = kNotLooked;
}

void MemoryUpkeep::GiveBack() {
  const std::uint64_t freed = pool_.Trim();
  const BufferPool::Stats stats = pool_.stats();
  const bool busy = stats.taken != last_.taken;
  // Calls without arrays take no buffers: that malloc has other free memory than before is all that tells of them.
  const bool changed = mallinfo2().fordblks != free_when_trimmed_;
  if (changed && (!busy || least_free_ > kKeptWhenBusy)) {
    malloc_trim(busy ? kKeptWhenBusy : kKeptWhenIdle);
    free_when_trimmed_ = mallinfo2().fordblks;
  }
  if (busy || freed > 0) report_(stats, freed);
  last_ = stats;
}

}  // namespace tensorferry
