#pragma once

#include <atomic>
#include <chrono>
#include <coroutine>
#include <functional>
#include <limits>
#include <list>
#include <optional>

#include "base/periodic_thread.h"
#include "base/thread_annotations.h"
#include "rpc/serve/async_call.h"
#include "rpc/serve/operation.h"

namespace tensorferry::rpc {

// WaitLimit ends what a caller keeps waiting for longer than a limit: nobody holds memory by doing nothing. Where others
// need that memory, the limit is a second. A thread looks at all waits several times within the limit, so that a wait
// itself costs two stores and a look at the clock.
// Lifetime: outlives its Members.
class WaitLimit {
 public:
  using Clock = std::chrono::steady_clock;

  // The limit for callers who are to make room for others.
  static constexpr std::chrono::milliseconds kInTheWay{1000};

  // Hurry says who is to make room for others. `is_needed`, which is asked first, says whether there may be anybody.
  struct Hurry {
    std::function<bool()> is_needed;  // Empty: nobody ever is.
    std::function<bool(const AsyncCall&)> concerns;
  };

  // No wait ends if `limit` is 0.
  explicit WaitLimit(std::chrono::milliseconds limit, Hurry hurry = {});

  std::chrono::milliseconds limit() const { return limit_; }

  // Ends the waits that began before `now` less the limit. The coroutines go on on this thread.
  void EndLongWaits(Clock::time_point now);

  // A Member is the part of one coroutine, which awaits one operation at a time.
  // Lifetime: ends before the operations, and before the call.
  class Member {
   public:
    // `call` is whose waits these are, for Hurry; null: it concerns none of them.
    explicit Member(WaitLimit& limit, const AsyncCall* call = nullptr);
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;
    ~Member();

    class Wait {
     public:
      Wait(Member& member, Operation& operation, AsyncCall* cancelled)
          : member_(member), operation_(operation), cancelled_(cancelled) {}
      bool await_ready() const { return operation_.complete(); }
      bool await_suspend(std::coroutine_handle<> coroutine) { return member_.Begin(operation_, cancelled_, coroutine); }

     protected:
      Member& member_;
      Operation& operation_;
      AsyncCall* cancelled_;
    };

    // `co_await member.Within(operation)`: true once the operation is complete; false at the limit, with the operation
    // still pending.
    struct WithinLimit : Wait {
      using Wait::Wait;
      bool await_resume() const {
        member_.End();
        return operation_.complete();
      }
    };
    WithinLimit Within(Operation& operation) { return {*this, operation, nullptr}; }

    // `co_await member.OrCancel(operation, call)` resumes when the operation is complete, with gRPC's `ok`. At the
    // limit it cancels the call, which completes the operation.
    struct UntilCancelled : Wait {
      using Wait::Wait;
      bool await_resume() const {
        member_.End();
        return Operation::Wait(operation_).await_resume();
      }
    };
    UntilCancelled OrCancel(Operation& operation, AsyncCall& call) { return {*this, operation, &call}; }

    // Returns whether the last wait that ended at a limit had to make room for others.
    bool was_in_the_way() const { return was_in_the_way_; }

   private:
    friend class WaitLimit;
    static constexpr Clock::rep kNever = std::numeric_limits<Clock::rep>::max();

    bool Begin(Operation& operation, AsyncCall* cancelled, std::coroutine_handle<> coroutine);
    void End() { since_.store(kNever, std::memory_order_release); }

    WaitLimit& limit_;
    const AsyncCall* const call_;
    bool was_in_the_way_ = false;  // Written by who ends the wait, before the coroutine goes on.
    // When the wait has begun. Written last by Begin: what it says is of the coroutine's present wait, or of one that
    // has ended, and then Operation::Abandon finds out.
    std::atomic<Clock::rep> since_ = kNever;
    std::atomic<Operation*> operation_ = nullptr;
    std::atomic<AsyncCall*> cancelled_ = nullptr;
    std::atomic<void*> coroutine_ = nullptr;
    std::list<Member*>::iterator place_;
  };

 private:
  bool End(Member& member, std::coroutine_handle<> coroutine, bool is_long) TENSORFERRY_REQUIRES(mutex_);

  const std::chrono::milliseconds limit_;
  const Hurry hurry_;
  Mutex mutex_;
  std::list<Member*> members_ TENSORFERRY_GUARDED_BY(mutex_);
  std::optional<PeriodicThread> thread_;  // The last member: the thread uses the others.
};

}  // namespace tensorferry::rpc
