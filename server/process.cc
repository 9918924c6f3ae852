#include "process.h"

#include <spdlog/spdlog.h>

#include <csignal>
#include <cstdlib>
#include <thread>

namespace tensorferry {

void Process::EndAtSecondSignal(int first) {
  std::thread([this, first] {
    const auto counts = [](int signal) { return signal != SIGHUP && signal != StopSignals::kInterrupted; };
    int signal = first;
    for (int counted = counts(first) ? 1 : 0; counted < 2;) {
      signal = signals_.Wait();
      if (counts(signal)) ++counted;
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
