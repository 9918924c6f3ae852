#include "stop_signals.h"

#include <unistd.h>

#include <initializer_list>

namespace tensorferry {
namespace {

bool HasHandler(int signal, sighandler_t handler) {
  struct sigaction action {};
  return sigaction(signal, nullptr, &action) == 0 && (action.sa_flags & SA_SIGINFO) == 0 &&
         action.sa_handler == handler;
}

void IgnoreUnlessHandled(int signal) {
  if (HasHandler(signal, SIG_DFL)) std::signal(signal, SIG_IGN);
}

}  // namespace

StopSignals::StopSignals() {
  for (const int signal : {SIGPIPE, SIGXFSZ, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSTKFLT}) {
    IgnoreUnlessHandled(signal);
  }
  for (int signal = SIGRTMIN + 1; signal <= SIGRTMAX; ++signal) IgnoreUnlessHandled(signal);
  sigemptyset(&set_);
  sigaddset(&set_, SIGTERM);
  sigaddset(&set_, SIGINT);
  if (!HasHandler(SIGHUP, SIG_IGN)) sigaddset(&set_, SIGHUP);
  sigaddset(&set_, SIGRTMIN);
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
}

int StopSignals::Wait() const {
  while (true) {
    siginfo_t info{};
    const int signal = sigwaitinfo(&set_, &info);
    if (signal == SIGRTMIN && info.si_pid == getpid()) return kInterrupted;  // Others may send it, too.
    if (signal > 0 && signal != SIGRTMIN) return signal;
  }
}

int StopSignals::WaitFor(std::chrono::milliseconds limit) const {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limit);
  const timespec timeout{.tv_sec = seconds.count(), .tv_nsec = std::chrono::nanoseconds(limit - seconds).count()};
  siginfo_t info{};
  const int signal = sigtimedwait(&set_, &info, &timeout);
  if (signal == SIGRTMIN) return info.si_pid == getpid() ? kInterrupted : kTimedOut;
  return signal > 0 ? signal : kTimedOut;
}

void StopSignals::Interrupt() { kill(getpid(), SIGRTMIN); }

}  // namespace tensorferry
