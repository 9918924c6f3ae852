#pragma once

#include <atomic>

namespace tensorferry::rpc {

// OpenStreams counts the streams of requests with arrays that callers hold open. A request on a stream costs nothing.
// Threads: any.
class OpenStreams {
 public:
  // Place is one stream, for as long as it is open.
  class Place {
   public:
    explicit Place(OpenStreams& streams) : streams_(streams) {
      streams_.count_.fetch_add(1, std::memory_order_relaxed);
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() { streams_.count_.fetch_sub(1, std::memory_order_relaxed); }

   private:
    OpenStreams& streams_;
  };

  int count() const { return count_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int> count_{0};
};

}  // namespace tensorferry::rpc
