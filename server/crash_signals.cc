#include "crash_signals.h"

#include <chrono>
#include <csignal>

#include "config/line_writer.h"

namespace tensorferry {
namespace {

constexpr std::chrono::milliseconds kMostToWait{500};

void OnCrash(int signal) {
  config::AwaitWrittenLines(kMostToWait);
  std::signal(signal, SIG_DFL);
  raise(signal);  // Comes when this handler has returned, so that a dump shows where the crash was.
}

}  // namespace

CrashSignals::CrashSignals() {
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE}) {
    struct sigaction former {};
    // A sanitizer's handler stays.
    if (sigaction(signal, nullptr, &former) != 0 || former.sa_handler != SIG_DFL) continue;
    struct sigaction action {};
    action.sa_handler = OnCrash;
    sigaction(signal, &action, nullptr);
  }
}

}  // namespace tensorferry
