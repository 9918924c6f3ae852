#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string_view>
#include <thread>

namespace tensorferry::web {

// WorkThread does what would hold up the thread that serves all connections, one piece after the other.
//
// Threads: any may call Post and Stop.
class WorkThread {
 public:
  // `purpose` says what the thread is for, as in "reading files". Throws NoThread.
  explicit WorkThread(std::string_view purpose);
  WorkThread(const WorkThread&) = delete;
  WorkThread& operator=(const WorkThread&) = delete;
  ~WorkThread() { Stop(); }

  // Has the thread do `work`, which must not throw. After Stop it is dropped.
  void Post(std::function<void()> work);

  // Waits for the work that is being done, and drops what waits.
  void Stop();

 private:
  void Run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace tensorferry::web
