// Mutexes whose rules clang checks with -Wthread-safety: which member needs which mutex, and which function expects it
// to be held. The analysis does not know std::mutex, so Mutex, MutexLock, MutexUnlock and ConditionVariable wrap the
// standard classes with annotations, at no extra cost. Under other compilers the macros are empty.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define TENSORFERRY_THREAD_ANNOTATION(attribute) __attribute__((attribute))
#else
#define TENSORFERRY_THREAD_ANNOTATION(attribute)
#endif

// Marks a member that is read and written only while the mutex is held.
#define TENSORFERRY_GUARDED_BY(mutex) TENSORFERRY_THREAD_ANNOTATION(guarded_by(mutex))
// Marks a pointer whose target is read and written only while the mutex is held.
#define TENSORFERRY_PT_GUARDED_BY(mutex) TENSORFERRY_THREAD_ANNOTATION(pt_guarded_by(mutex))
// Marks a function that is called while the mutex is held.
#define TENSORFERRY_REQUIRES(...) TENSORFERRY_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
// Marks a function that is called while the mutex is not held, since it locks it.
#define TENSORFERRY_EXCLUDES(...) TENSORFERRY_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
// Mark functions that lock, or unlock, the mutex.
#define TENSORFERRY_ACQUIRE(...) TENSORFERRY_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define TENSORFERRY_RELEASE(...) TENSORFERRY_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
// Mark a class that is a mutex, and a class that holds a mutex while it lives.
#define TENSORFERRY_CAPABILITY(name) TENSORFERRY_THREAD_ANNOTATION(capability(name))
#define TENSORFERRY_SCOPED_CAPABILITY TENSORFERRY_THREAD_ANNOTATION(scoped_lockable)

namespace tensorferry {

// Threads: any.
class TENSORFERRY_CAPABILITY("mutex") Mutex {
 public:
  void Lock() TENSORFERRY_ACQUIRE() { mutex_.lock(); }
  void Unlock() TENSORFERRY_RELEASE() { mutex_.unlock(); }

 private:
  friend class ConditionVariable;
  std::mutex mutex_;
};

// MutexLock holds `mutex` while it lives.
class TENSORFERRY_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) TENSORFERRY_ACQUIRE(mutex) : mutex_(mutex) { mutex_.Lock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  ~MutexLock() TENSORFERRY_RELEASE() { mutex_.Unlock(); }

 private:
  Mutex& mutex_;
};

// MutexUnlock unlocks `mutex`, which the calling thread holds, while it lives.
class TENSORFERRY_SCOPED_CAPABILITY MutexUnlock {
 public:
  explicit MutexUnlock(Mutex& mutex) TENSORFERRY_RELEASE(mutex) : mutex_(mutex) { mutex_.Unlock(); }
  MutexUnlock(const MutexUnlock&) = delete;
  MutexUnlock& operator=(const MutexUnlock&) = delete;
  ~MutexUnlock() TENSORFERRY_RELEASE() { mutex_.Lock(); }

 private:
  Mutex& mutex_;
};

// ConditionVariable waits with a Mutex. A wait may also end without a notification: the caller checks whether what it
// waits for has happened.
// Threads: any.
class ConditionVariable {
 public:
  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

  void Wait(Mutex& mutex) TENSORFERRY_REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }

  // Returns false if `until` has come without a notification.
  bool WaitUntil(Mutex& mutex, std::chrono::steady_clock::time_point until) TENSORFERRY_REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    const std::cv_status status = condition_.wait_until(lock, until);
    lock.release();
    return status == std::cv_status::no_timeout;
  }

 private:
  std::condition_variable condition_;
};

}  // namespace tensorferry
