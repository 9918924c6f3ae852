#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

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

  bool full() const {
    const MutexLock lock(mutex_);
    return entries_.size() >= kMaxEntries;
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
    std::optional<Entry> sent;  // The entry is destroyed without the lock.
    {
      const MutexLock lock(mutex_);
      sent = std::move(entries_.front());
      entries_.pop_front();
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
  mutable Mutex mutex_;
  std::deque<Entry> entries_ TENSORFERRY_GUARDED_BY(mutex_);
  bool closed_ TENSORFERRY_GUARDED_BY(mutex_) = false;
  bool stream_ended_ TENSORFERRY_GUARDED_BY(mutex_) = false;
  Waker pushed_;
  Waker popped_;
};

}  // namespace tensorferry::rpc
