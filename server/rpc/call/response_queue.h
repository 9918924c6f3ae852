#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "base/buffer_pool.h"
#include "base/thread_annotations.h"
#include "rpc/call/encoded_response.h"
#include "rpc/call/stream_run.h"
#include "rpc/serve/waker.h"

namespace tensorferry::rpc {

// ResponseQueue holds the responses of one stream in the order of its requests, some of which a model still runs. One
// coroutine adds entries, another sends and removes them.
// Threads: any.
class ResponseQueue {
 public:
  // An Entry is a response, or the run from which it will come.
  struct Entry {
    std::optional<EncodedResponse> response;
    std::unique_ptr<StreamRun> run;
  };

  // The most requests of one stream that are worked on at the same time. So many may run together, and a caller who
  // does not read takes no more memory than they need.
  static constexpr std::size_t kMaxEntries = 64;

  // So many requests wait at least, even if the memory budget has no room for more. Each takes up to kEntryBytes beside what
  // is counted of its answer.
  static constexpr std::size_t kUncountedEntries = 4;
  static constexpr std::uint64_t kEntryBytes = 12 << 10;

  // The budget of `pool` admits, for its peer, what waits. Borrows what `pool` borrows.
  explicit ResponseQueue(const PoolFor& pool) : pool_(pool) {}

  void Push(Entry entry) {
    {
      const MutexLock lock(mutex_);
      entries_.push_back(std::move(entry));
    }
    pushed_.Wake();
  }

  // Says that Push is not called any more.
  void Close() {
    {
      const MutexLock lock(mutex_);
      closed_ = true;
    }
    pushed_.Wake();
  }

  bool empty() const {
    const MutexLock lock(mutex_);
    return entries_.empty();
  }

  // Returns whether no more entries are to be added for now: there are kMaxEntries, or the memory budget has no room for
  // one more.
  bool full() {
    const MutexLock lock(mutex_);
    if (entries_.size() < kUncountedEntries) return false;
    return entries_.size() >= kMaxEntries || !HasRoom(entries_.size() + 1);
  }

  // Returns the first entry, which stays until Pop. Null if the queue is empty.
  Entry* Front() {
    const MutexLock lock(mutex_);
    return entries_.empty() ? nullptr : &entries_.front();
  }

  // Returns whether the response after the first one can be sent at once.
  bool NextIsReady() const {
    const MutexLock lock(mutex_);
    return entries_.size() > 1 && (entries_[1].response || entries_[1].run->finished().complete());
  }

  // Removes the first entry.
  void Pop() {
    std::optional<Entry> sent;  // Both are destroyed without the lock.
    MemoryBudget::Reservation room;
    {
      const MutexLock lock(mutex_);
      sent = std::move(entries_.front());
      entries_.pop_front();
      if (entries_.empty()) room = std::exchange(room_, {});
    }
    popped_.Wake();
  }

  // Notes that a response has ended the stream, so that nothing more is sent.
  void NoteEnd() {
    const MutexLock lock(mutex_);
    stream_ended_ = true;
  }

  bool stream_ended() const {
    const MutexLock lock(mutex_);
    return stream_ended_;
  }

  // Returns whether the queue is closed and empty.
  bool at_end() const {
    const MutexLock lock(mutex_);
    return closed_ && entries_.empty();
  }

  // Push and Close wake this Waker.
  Waker& pushed() { return pushed_; }

  // Pop wakes this Waker.
  Waker& popped() { return popped_; }

 private:
  // Room is asked for in steps, and kept until nothing waits any more: a step costs as much as many entries.
  bool HasRoom(std::size_t entries) TENSORFERRY_REQUIRES(mutex_) {
    const std::uint64_t needed = entries * kEntryBytes;
    if (needed <= room_.nbytes()) return true;
    const std::uint64_t step = std::min(2 * needed, kMaxEntries * kEntryBytes);
    return pool_.pool.GrowTo(step, room_, pool_.peer).ok();
  }

  const PoolFor pool_;
  mutable Mutex mutex_;
  std::deque<Entry> entries_ TENSORFERRY_GUARDED_BY(mutex_);
  MemoryBudget::Reservation room_ TENSORFERRY_GUARDED_BY(mutex_);
  bool closed_ TENSORFERRY_GUARDED_BY(mutex_) = false;
  bool stream_ended_ TENSORFERRY_GUARDED_BY(mutex_) = false;
  Waker pushed_;
  Waker popped_;
};

}  // namespace tensorferry::rpc
