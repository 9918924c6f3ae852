#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>

#include "rpc/call/encoded_response.h"
#include "rpc/call/stream_run.h"
#include "rpc/serve/waker.h"

namespace tensorferry::rpc {

// What the requests of one stream are answered with, in their order: replies, and models that still run. One coroutine
// adds them, another takes them.
// Threads: any.
class ResponseQueue {
 public:
  // A reply, or the run that it will come from.
  struct Entry {
    std::optional<EncodedResponse> reply;
    std::unique_ptr<StreamRun> run;
  };

  // Requests of one stream that are worked on at the same time: so many may run together, and no more memory is taken
  // for a caller who does not read.
  static constexpr std::size_t kMaxUnanswered = 64;

  void Push(Entry answer) {
    {
      const std::lock_guard lock(mutex_);
      answers_.push_back(std::move(answer));
    }
    pushed_.Wake();
  }

  // Nothing more comes.
  void Close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    pushed_.Wake();
  }

  bool empty() const {
    const std::lock_guard lock(mutex_);
    return answers_.empty();
  }

  bool full() const {
    const std::lock_guard lock(mutex_);
    return answers_.size() >= kMaxUnanswered;
  }

  // The first answer; null: none is there now. It stays until Pop.
  Entry* Front() {
    const std::lock_guard lock(mutex_);
    return answers_.empty() ? nullptr : &answers_.front();
  }

  // Whether an answer follows the first one that can be sent at once.
  bool NextIsReady() const {
    const std::lock_guard lock(mutex_);
    return answers_.size() > 1 && (answers_[1].reply || answers_[1].run->finished.complete());
  }

  void Pop() {
    std::optional<Entry> sent;  // Destroyed without the lock.
    {
      const std::lock_guard lock(mutex_);
      sent = std::move(answers_.front());
      answers_.pop_front();
    }
    popped_.Wake();
  }

  // The stream was ended with an answer: no more is sent.
  void NoteEnd() {
    const std::lock_guard lock(mutex_);
    stream_ended_ = true;
  }

  bool stream_ended() const {
    const std::lock_guard lock(mutex_);
    return stream_ended_;
  }

  bool at_end() const {
    const std::lock_guard lock(mutex_);
    return closed_ && answers_.empty();
  }

  // Woken when one was pushed, or the queue was closed.
  Waker& pushed() { return pushed_; }

  // Woken when one was popped.
  Waker& popped() { return popped_; }

 private:
  mutable std::mutex mutex_;
  std::deque<Entry> answers_;
  bool closed_ = false;
  bool stream_ended_ = false;
  Waker pushed_;
  Waker popped_;
};

}  // namespace tensorferry::rpc
