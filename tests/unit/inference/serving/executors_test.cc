#include "inference/serving/executors.h"

#include <gtest/gtest.h>

#include <future>
#include <set>
#include <thread>

#include "testing/fake_model.h"

namespace tensorferry::inference {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

std::vector<std::shared_ptr<Model>> Engines(std::size_t count) { return {count, std::make_shared<FakeModel>()}; }

// Do has an executor's thread do something, and waits for it.
void Do(Executors& executors, Executor& executor, Mutex& mutex, const std::function<void()>& what) {
  const auto done = std::make_shared<std::promise<void>>();
  {
    const MutexLock lock(mutex);
    ASSERT_TRUE(executors.Dispatch(executor, [done, &what] {
      what();
      done->set_value();
    }));
  }
  done->get_future().wait();
}

TEST(Executors, GiveTheOneThatBecameIdleLast) {
  Mutex mutex;
  Executors executors(Engines(2), hours(1), mutex);
  const MutexLock lock(mutex);
  EXPECT_EQ(executors.idle_count(), 2u);
  Executor& first = executors.TakeIdle();
  Executor& second = executors.TakeIdle();
  EXPECT_EQ(executors.idle_count(), 0u);
  executors.MakeIdle(first);
  executors.MakeIdle(second);
  EXPECT_EQ(&executors.TakeIdle(), &second);
}

TEST(Executors, KnowTheOldestRun) {
  Mutex mutex;
  Executors executors(Engines(3), hours(1), mutex);
  const MutexLock lock(mutex);
  EXPECT_EQ(executors.OldestStart(), std::nullopt);
  executors.all()[0].running_since = Clock::time_point(milliseconds(20));
  executors.all()[2].running_since = Clock::time_point(milliseconds(10));
  EXPECT_EQ(executors.OldestStart(), Clock::time_point(milliseconds(10)));
  executors.all()[2].running_since.reset();
  EXPECT_EQ(executors.OldestStart(), Clock::time_point(milliseconds(20)));
}

TEST(Executors, HaveAThreadEach) {
  Mutex mutex;
  Executors executors(Engines(2), hours(1), mutex);
  std::set<std::thread::id> threads;
  for (int i = 0; i < 3; ++i) {
    for (Executor& executor : executors.all()) {
      Do(executors, executor, mutex, [&] { threads.insert(std::this_thread::get_id()); });
    }
  }
  EXPECT_EQ(threads.size(), 2u);
}

TEST(Executors, FinishTheirJobsBeforeTheyEnd) {
  Mutex mutex;
  bool done = false;
  std::promise<void> go;
  {
    Executors executors(Engines(1), hours(1), mutex);
    const MutexLock lock(mutex);
    ASSERT_TRUE(executors.Dispatch(executors.TakeIdle(), [&] {
      go.get_future().wait();
      done = true;
    }));
    go.set_value();
  }
  EXPECT_TRUE(done);
}

// ThreadEnd tells when its thread has come to an end.
struct ThreadEnd {
  std::shared_ptr<std::promise<void>> told;
  ~ThreadEnd() {
    if (told != nullptr) told->set_value();
  }
};
thread_local ThreadEnd thread_end;

TEST(Executors, GiveBackAThreadThatHasNothingToDo) {
  Mutex mutex;
  Executors executors(Engines(1), milliseconds(1), mutex);
  for (int i = 0; i < 3; ++i) {
    const auto ended = std::make_shared<std::promise<void>>();
    Do(executors, executors.all()[0], mutex, [&] { thread_end.told = ended; });
    ended->get_future().wait();
  }
}

}  // namespace
}  // namespace tensorferry::inference
