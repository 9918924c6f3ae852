#pragma once

#include <stdexcept>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

namespace tensorferry {

// NoThread says that the system has no thread left for something that the server cannot do without: what() names it,
// and the limits that may be the reason.
class NoThread : public std::runtime_error {
 public:
  NoThread(std::string_view purpose, const std::system_error& error);
};

// StartThread starts a thread that calls `work`. `purpose` says what the thread is for, as in "copying large messages".
// Errors: throws NoThread.
template <typename Work>
std::thread StartThread(std::string_view purpose, Work&& work) {
  try {
    return std::thread(std::forward<Work>(work));
  } catch (const std::system_error& error) {
    throw NoThread(purpose, error);
  }
}

// CheckForThreads finds out whether the system has `count` threads, by starting and ending them: a library that starts
// threads of its own may not say that it could not.
// Errors: throws NoThread.
void CheckForThreads(std::string_view purpose, int count);

}  // namespace tensorferry
