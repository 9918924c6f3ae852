#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/periodic_thread.h"
#include "base/relieved.h"

namespace tensorferry::http {

// RelievedLoop runs the handlers of an io_context one after the other, so that they need no locks. A handler does Aside what
// may take long: if it does, a relief thread runs other handlers meanwhile (docs/adr/0040).
//
// Threads: one calls Run. Handlers call Aside.
class RelievedLoop {
 public:
  // Borrows `io`. Errors: throws NoThread.
  explicit RelievedLoop(boost::asio::io_context& io);
  RelievedLoop(const RelievedLoop&) = delete;
  RelievedLoop& operator=(const RelievedLoop&) = delete;

  // Runs handlers until `io` is stopped, and then waits for the relief threads. What a handler throws ends that handler alone.
  void Run();

  // Called by a handler: calls `work`, and throws what it throws. Other handlers may run meanwhile; none does when it returns.
  // Handlers that `work` posts run later.
  template <typename Work>
  void Aside(Work&& work) {
    struct AtEnd {
      RelievedLoop& loop;
      ~AtEnd() { loop.Return(); }
    };
    ++asides_;
    running_.unlock();
    const AtEnd at_end{*this};
    const Relieved relieved;
    std::forward<Work>(work)();
  }

  // How often the loop looks whether nobody has run a handler since the last look.
  static constexpr std::chrono::milliseconds kLookInterval{50};

 private:
  static constexpr std::size_t kMostReliefs = 16;

  struct Relief {
    std::atomic<bool> ended = false;
    std::thread thread;
  };

  template <typename Wait>
  void RunOne(const Wait& wait);
  void Return();
  void LetReturn();
  void Look();
  void RunAsRelief(Relief& relief);

  boost::asio::io_context& io_;
  std::mutex running_;                     // Held by the thread that runs handlers, also while it waits for one.
  std::atomic<int> returning_ = 0;         // How many threads wait for running_, to go on with a handler or with Run.
  std::atomic<std::uint64_t> asides_ = 0;  // How often Aside was called.
  std::uint64_t seen_asides_ = 0;          // At the last look.
  bool seen_free_ = false;                 // Whether nobody held running_ at the last look.
  std::list<Relief> reliefs_;              // Only Look changes the list.
  std::optional<PeriodicThread> watch_;    // The last member: the thread uses the others.
};

}  // namespace tensorferry::http
