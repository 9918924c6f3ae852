#include "process.h"

#include <spdlog/spdlog.h>

#include <csignal>
#include <cstdlib>
#include <thread>

namespace tensorferry {

void Process::EndAtNextSignal() {
  std::thread([this] {
    int signal = SIGHUP;
    while (signal == SIGHUP) signal = signals_.Wait();
    scratch_.Remove();
    std::_Exit(128 + signal);
  }).detach();
}

void Process::End(ExitCode code) {
  scratch_.Remove();
  spdlog::default_logger_raw()->flush();  // The logger stays, because threads that were cut off may still log.
  std::_Exit(static_cast<int>(code));
}

}  // namespace tensorferry
