#include "inference/tensor/operator_threads.h"

#include <ATen/Parallel.h>
#include <spdlog/spdlog.h>

#include <cstdint>

#include "base/start_thread.h"

namespace tensorferry::inference {
namespace {

bool AreThere(int threads) {
  try {
    CheckForThreads("operators of torch", threads);
    return true;
  } catch (const NoThread& error) {
    spdlog::debug("an operator runs on one thread: {}", error.what());
    return false;
  }
}

}  // namespace

// Torch and OpenMP keep a number of threads for each thread that calls operators, and torch lets a new thread begin with
// the number that another has set last.
void UseOperatorThreads(int count) {
  thread_local int started = 0;
  if (started == count && at::get_num_threads() == count) return;
  const bool are_there = count == 1 || AreThere(count - 1);
  at::set_num_threads(are_there ? count : 1);
  started = are_there ? count : 0;
  // OpenMP starts the threads now, and keeps them for the calling thread.
  if (are_there) at::parallel_for(0, count, 1, [](std::int64_t, std::int64_t) {});
}

}  // namespace tensorferry::inference
