#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "base/thread_annotations.h"

namespace tensorferry::inference {

// SharedArena is memory that two processes map. One of them, the owner, takes blocks from it, fills them, and lends them
// to the other, which reads them where they are. The other says in the block itself that it is done: neither waits for
// a message about it.
//
// Before each block stands the number of its users, in memory that both can write to; all else that is known about
// blocks is in the owner's own memory. So whatever the other process does to the arena spoils values of this arena's,
// and nothing else.
//
// Threads: any.
class SharedArena {
 public:
  static constexpr std::size_t kAlignment = 64;  // Bytes, as torch's own memory.

  // Makes an arena whose blocks this process takes. `max_idle_bytes`: free blocks keep so many bytes mapped.
  // Errors: MEMORY_BUDGET if the system refuses.
  static absl::StatusOr<std::shared_ptr<SharedArena>> Create(std::uint64_t max_idle_bytes);

  // Maps an arena that another process has made, and takes the descriptor over.
  static absl::StatusOr<std::shared_ptr<SharedArena>> Open(int descriptor, std::uint64_t max_idle_bytes);

  SharedArena(const SharedArena&) = delete;
  SharedArena& operator=(const SharedArena&) = delete;
  ~SharedArena();

  int descriptor() const { return descriptor_; }

  // Takes a block of `nbytes` bytes, of which the caller is the only user. The content is anything that was in the
  // arena before.
  // Errors: MEMORY_BUDGET if there is no memory.
  absl::StatusOr<std::byte*> Take(std::size_t nbytes) TENSORFERRY_EXCLUDES(mutex_);

  // Ends the owner's use of a block. It is free once the other process is done, too.
  void GiveBack(std::byte* block) TENSORFERRY_EXCLUDES(mutex_);

  // Adds the other process to the users of a block.
  void Lend(std::byte* block) { Users(block).fetch_add(1, std::memory_order_relaxed); }

  // Ends the use of a block that the other process has lent.
  void Return(std::byte* block) { Users(block).fetch_sub(1, std::memory_order_release); }

  // Gives the memory of free blocks back to the system.
  void Trim() TENSORFERRY_EXCLUDES(mutex_);

  bool Holds(const void* data) const;

  // Returns the place of `data`, which is in the arena.
  std::uint64_t OffsetOf(const std::byte* data) const { return static_cast<std::uint64_t>(data - memory_.data()); }

  // Returns the block at `offset`, if it can be one of which `nbytes` bytes from `data` on are a part. Returns null if
  // not: the numbers come from another process.
  std::byte* Find(std::uint64_t offset, std::uint64_t data, std::uint64_t nbytes) const;

 private:
  struct Block {
    std::size_t size_class;
    std::size_t resident = 0;  // The bytes that have memory, from the block's beginning on.
  };

  SharedArena(int descriptor, std::span<std::byte> memory, std::uint64_t max_idle_bytes)
      : descriptor_(descriptor), memory_(memory), max_idle_bytes_(max_idle_bytes) {}

  static absl::StatusOr<std::shared_ptr<SharedArena>> Map(int descriptor, std::uint64_t max_idle_bytes);
  static std::atomic<std::uint32_t>& Users(std::byte* block);
  absl::StatusOr<std::uint64_t> FindFree(std::size_t size_class) TENSORFERRY_REQUIRES(mutex_);
  void SweepLent() TENSORFERRY_REQUIRES(mutex_);
  void Free(std::uint64_t offset) TENSORFERRY_REQUIRES(mutex_);
  void Vacate(std::uint64_t offset, Block& block) TENSORFERRY_REQUIRES(mutex_);

  const int descriptor_;
  const std::span<std::byte> memory_;
  const std::uint64_t max_idle_bytes_;
  Mutex mutex_;
  std::uint64_t end_ TENSORFERRY_GUARDED_BY(mutex_) = 0;  // The end of the last block.
  std::uint64_t idle_bytes_ TENSORFERRY_GUARDED_BY(mutex_) = 0;
  std::unordered_map<std::uint64_t, Block> blocks_ TENSORFERRY_GUARDED_BY(mutex_);  // By offset; the free ones, too.
  std::vector<std::vector<std::uint64_t>> free_ TENSORFERRY_GUARDED_BY(mutex_);     // By size class.
  // Blocks that the owner has given back, and that the other process may still use.
  std::vector<std::uint64_t> lent_ TENSORFERRY_GUARDED_BY(mutex_);
};

}  // namespace tensorferry::inference
