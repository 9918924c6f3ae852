#include "base/start_thread.h"

#include <fmt/format.h>

#include <atomic>
#include <iterator>
#include <vector>

namespace tensorferry {

NoThread::NoThread(std::string_view purpose, const std::system_error& error)
    : std::runtime_error(fmt::format("cannot start a thread for {}: {}; a limit of the user (ulimit -u), the service "
                                     "(TasksMax) or the container (pids) is reached",
                                     fmt::string_view(purpose.data(), purpose.size()), error.code().message())) {}

void CheckForThreads(std::string_view purpose, int count) {
  std::atomic<bool> counted = false;
  std::vector<std::thread> threads;
  const auto end_all = [&] {
    counted = true;
    counted.notify_all();
    for (std::thread& thread : threads) thread.join();
  };
  try {
    while (std::ssize(threads) < count) {
      threads.push_back(StartThread(purpose, [&counted] { counted.wait(false); }));
    }
  } catch (const NoThread&) {
    end_all();
    throw;
  }
  end_all();
}

}  // namespace tensorferry
