#include "base/memory_upkeep.h"

#include <malloc.h>

#include <chrono>
#include <utility>

namespace tensorferry {
namespace {

constexpr std::chrono::seconds kInterval{10};
constexpr int kMiB = 1 << 20;
constexpr int kKeptWhenIdle = 16 * kMiB;

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
      thread_(
          kInterval, [this] { GiveBack(); }, "giving memory back") {}

void MemoryUpkeep::GiveBack() {
  const std::uint64_t freed = pool_.Trim();
  const BufferPool::Stats stats = pool_.stats();
  const bool busy = stats.taken != last_.taken;
  // Calls without arrays take no buffers: that malloc has other free memory than before is all that tells of them.
  if (!busy && mallinfo2().fordblks != free_when_trimmed_) {
    malloc_trim(kKeptWhenIdle);
    free_when_trimmed_ = mallinfo2().fordblks;
  }
  if (busy || freed > 0) report_(stats, freed);
  last_ = stats;
}

}  // namespace tensorferry
