#include "rpc/serve/worker_pool.h"

#include <gmock/gmock.h>

#include <future>
#include <optional>
#include <thread>
#include <vector>

#include "rpc/serve/operation.h"

namespace tensorferry::rpc {
namespace {

using testing::ElementsAre;

Detached TellThread(WorkerPool& pool, std::promise<std::thread::id>& thread) {
  co_await pool.Enter();
  thread.set_value(std::this_thread::get_id());
}

// Hold keeps its worker until `go_on`.
Detached Hold(WorkerPool& pool, std::promise<void>& held, std::future<void> go_on) {
  co_await pool.Enter();
  held.set_value();
  go_on.wait();
}

Detached Append(WorkerPool& pool, std::vector<int>& list, int value) {
  co_await pool.Enter();
  list.push_back(value);
}

TEST(WorkerPool, GoesOnWithACoroutineOnAThreadOfItsOwn) {
  WorkerPool pool(2);
  std::promise<std::thread::id> thread;
  TellThread(pool, thread);
  EXPECT_NE(thread.get_future().get(), std::this_thread::get_id());
}

TEST(WorkerPool, GoesOnInTheOrderOfArrivalAndEndsWithTheLast) {
  std::vector<int> list;  // Written by the only worker; read once it has ended.
  {
    WorkerPool pool(1);
    std::promise<void> held, go_on;
    Hold(pool, held, go_on.get_future());
    held.get_future().wait();
    for (const int value : {1, 2, 3}) Append(pool, list, value);
    go_on.set_value();
  }
  EXPECT_THAT(list, ElementsAre(1, 2, 3));
}

TEST(WorkerPool, WorksOnAsManyAtATimeAsItHasThreads) {
  WorkerPool pool(2);
  std::promise<void> first_held, first_goes_on;
  Hold(pool, first_held, first_goes_on.get_future());
  first_held.get_future().wait();
  std::promise<std::thread::id> thread;
  TellThread(pool, thread);
  thread.get_future().wait();  // It ends, although the first worker is held.
  first_goes_on.set_value();
}

}  // namespace
}  // namespace tensorferry::rpc
