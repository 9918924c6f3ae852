#include "rpc/grpc_threads.h"

#include <grpc/support/cpu.h>
#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <future>
#include <iterator>
#include <memory>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

#include "base/start_thread.h"

namespace tensorferry::rpc {

using Start = void* (*)(void*);

// What is linked into this program, as gRPC's archives are, calls CreateThread for pthread_create, and the system's
// own is SystemCreateThread: CMakeLists.txt has the linker's option `--wrap`. std::thread is not concerned, as it calls
// pthread_create within libstdc++, which is loaded.
int SystemCreateThread(pthread_t* thread, const pthread_attr_t* attributes, Start start,
                       void* argument) asm("__real_pthread_create");
int CreateThread(pthread_t* thread, const pthread_attr_t* attributes, Start start,
                 void* argument) asm("__wrap_pthread_create");

namespace {

// The executor has two threads for each core at most. It starts them one by one, when several pieces of work wait for one
// of those that it has: so many are never seen where there are many cores.
constexpr int kMostOfExecutor = 16;

// KeptThreads are threads that wait until they are taken.
class KeptThreads {
 public:
  void Keep(int count);

  // Has one of the threads call start(argument), and returns it, joinable; false if there is none.
  bool Take(Start start, void* argument, pthread_t& thread);

 private:
  struct Work {
    Start start;
    void* argument;
  };
  struct Kept {
    pthread_t id;
    std::promise<Work> work;
  };

  static void* Await(void* work);

  std::mutex mutex_;
  std::vector<Kept> kept_;  // Guarded by mutex_.
};

void KeptThreads::Keep(int count) {
  const std::lock_guard lock(mutex_);
  kept_.reserve(static_cast<std::size_t>(count));  // A thread whose promise finds no room would end the process.
  while (std::ssize(kept_) < count) {
    Kept kept{};
    auto work = std::make_unique<std::future<Work>>(kept.work.get_future());
    if (const int error = SystemCreateThread(&kept.id, nullptr, &Await, work.get()); error != 0) {
      throw NoThread("gRPC", std::system_error(error, std::generic_category()));
    }
    static_cast<void>(work.release());  // Await owns it.
    kept_.push_back(std::move(kept));
  }
}

bool KeptThreads::Take(Start start, void* argument, pthread_t& thread) {
  const std::lock_guard lock(mutex_);
  if (kept_.empty()) return false;
  Kept kept = std::move(kept_.back());
  kept_.pop_back();
  thread = kept.id;
  kept.work.set_value({start, argument});
  return true;
}

void* KeptThreads::Await(void* work) {
  const Work taken = std::unique_ptr<std::future<Work>>(static_cast<std::future<Work>*>(work))->get();
  return taken.start(taken.argument);
}

// For the whole process, as gRPC's threads are. Never destroyed: the threads wait in it until the process ends.
KeptThreads& ForGrpc() {
  static auto& threads = *new KeptThreads;
  return threads;
}

int Cores() { return static_cast<int>(gpr_cpu_num_cores()); }

// Detached threads are of gRPC's event engine, which goes on with those that it has.
bool IsNeeded(const pthread_attr_t* attributes) {
  int state = PTHREAD_CREATE_JOINABLE;
  if (attributes != nullptr) pthread_attr_getdetachstate(attributes, &state);
  return state == PTHREAD_CREATE_JOINABLE;
}

}  // namespace

int ThreadsThatGrpcStarts() { return 6 + std::clamp(Cores(), 2, 32); }

// The second part is for calls within the process, as the HTTP port makes: gRPC starts these threads with the first one.
int ThreadsToKeepForGrpc() { return std::min(2 * Cores(), kMostOfExecutor) + std::clamp(Cores() / 2, 2, 16); }

void KeepThreadsForGrpc(int count) { ForGrpc().Keep(count); }

int CreateThread(pthread_t* thread, const pthread_attr_t* attributes, Start start, void* argument) {
  const int error = SystemCreateThread(thread, attributes, start, argument);
  if (error != EAGAIN || !IsNeeded(attributes) || !ForGrpc().Take(start, argument, *thread)) return error;
  return 0;
}

}  // namespace tensorferry::rpc
