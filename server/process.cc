#include "process.h"

#include <spdlog/spdlog.h>

#include <csignal>
#include <cstdlib>
#include <thread>

namespace tensorferry {

void Process::EndAtSecondSignal(int first) {
  std::thread([this, first] {
    int signal = first;
    for (int counted = first == SIGHUP ? 0 : 1; counted < 2;) {
      signal = signals_.Wait();
      if (signal != SIGHUP) ++counted;
    }
    scratch_.Remove();
    spdlog::default_logger_raw()->flush();
    std::_Exit(128 + signal);
  }).detach();
}

void Process::End(ExitCode code) {
  scratch_.Remove();
  spdlog::default_logger_raw()->flush();  // The logger stays, because threads that were cut off may still log.
  std::_Exit(static_cast<int>(code));
}

}  // namespace tensorferry
