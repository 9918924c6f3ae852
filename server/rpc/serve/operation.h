// Coroutines over completion queues: a handler starts an operation of gRPC's with a tag, and awaits it.
//
//   stream.Read(&message, read.Start());
//   while (co_await read) { … }
//
// docs/adr/0008 says why, and what it costs.
#pragma once

#include <atomic>
#include <coroutine>
#include <exception>

#ifdef TENSORFERRY_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace tensorferry::rpc {

// A Tag is the object to which gRPC's tags point. Completion queues give the tags back.
class Tag {
 public:
  virtual ~Tag() = default;

  // Give and GetBack tell ThreadSanitizer, which does not see inside gRPC, that everything that was done before gRPC
  // got the tag happens before everything that is done once the queue has given the tag back.
  void Give() {
#ifdef TENSORFERRY_TSAN
    __tsan_release(this);
#endif
  }
  void GetBack() {
#ifdef TENSORFERRY_TSAN
    __tsan_acquire(this);
#endif
  }

  // Called once, on a thread of the queue. `ok` is that of gRPC's CompletionQueue::Next.
  virtual void Complete(bool ok) = 0;
};

// Operation is an operation of gRPC's that a coroutine awaits: Start it, give its tag to gRPC, and await it. Then it
// may be started again.
// Threads:  Complete may run on any thread, also before the operation is awaited; the coroutine goes on there.
// Lifetime: must not be destroyed while it is started and not complete.
class Operation final : public Tag {
 public:
  // Starts the operation, and returns its tag. An operation that was never started counts as complete and not ok.
  Tag* Start() {
    waiting_.store(nullptr, std::memory_order_relaxed);
    Give();
    return this;
  }

  void Complete(bool ok) override {
    ok_ = ok;
    void* const waiting = waiting_.exchange(Done(), std::memory_order_acq_rel);
    if (waiting != nullptr) std::coroutine_handle<>::from_address(waiting).resume();
  }

  bool complete() const { return waiting_.load(std::memory_order_acquire) == Done(); }

  // `co_await Wait(operation)`, or in short `co_await operation`, resumes when the operation is complete. The result is
  // gRPC's `ok`.
  class Wait {
   public:
    explicit Wait(Operation& operation) : operation_(operation) {}
    bool await_ready() const { return operation_.complete(); }
    bool await_suspend(std::coroutine_handle<> coroutine) { return operation_.Await(coroutine); }
    bool await_resume() const { return operation_.ok_; }

   private:
    Operation& operation_;
  };
  Wait operator co_await() { return Wait(*this); }

  // Makes Complete resume the coroutine. Returns false if the operation is complete already; nothing resumes the
  // coroutine then.
  bool Await(std::coroutine_handle<> coroutine) {
    void* running = nullptr;
    return waiting_.compare_exchange_strong(running, coroutine.address(), std::memory_order_acq_rel);
  }

  // Undoes Await, so that the caller may resume the coroutine. Returns false if Complete resumes it already.
  bool Abandon(std::coroutine_handle<> coroutine) {
    void* awaiting = coroutine.address();
    return waiting_.compare_exchange_strong(awaiting, nullptr, std::memory_order_acq_rel);
  }

 private:
  void* Done() const { return const_cast<Operation*>(this); }  // No coroutine has this address.

  std::atomic<void*> waiting_{this};  // Null: started. A coroutine's address: awaited. Done(): complete.
  bool ok_ = false;
};

// Detached is the type of a coroutine that starts when it is called, and frees itself at its end. Nobody can await it.
// An exception that leaves the coroutine ends the process.
struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

}  // namespace tensorferry::rpc
