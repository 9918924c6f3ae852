#include "process.h"

#include <spdlog/spdlog.h>

#include <csignal>
#include <cstdlib>

#include "base/start_thread.h"

namespace tensorferry {

Process::Process() : second_signal_(StartThread("a second signal", [this] { AwaitSecondSignal(); })) {}

Process::~Process() {
  int none = kNone;
  if (first_signal_.compare_exchange_strong(none, kNeverComes)) {
    first_signal_.notify_one();
    second_signal_.join();
  } else {
    second_signal_.detach();
  }
}

void Process::EndAtSecondSignal(int first) {
  first_signal_ = first;
  first_signal_.notify_one();
}

void Process::AwaitSecondSignal() {
  first_signal_.wait(kNone);
  int signal = first_signal_;
  if (signal == kNeverComes) return;
  const auto counts = [](int seen) { return seen != SIGHUP && seen != StopSignals::kInterrupted; };
  for (int counted = counts(signal) ? 1 : 0; counted < 2;) {
    signal = signals_.Wait();
    if (counts(signal)) ++counted;
  }
  scratch_.Remove();
  spdlog::default_logger_raw()->flush();
  std::_Exit(128 + signal);
}

void Process::End(ExitCode code) {
  scratch_.Remove();
  spdlog::default_logger_raw()->flush();  // The logger stays, because threads that were cut off may still log.
  std::_Exit(static_cast<int>(code));
}

}  // namespace tensorferry
