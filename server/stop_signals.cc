#include "stop_signals.h"

#include <unistd.h>

namespace tensorferry {

StopSignals::StopSignals() {
  std::signal(SIGPIPE, SIG_IGN);
  sigemptyset(&set_);
  sigaddset(&set_, SIGTERM);
  sigaddset(&set_, SIGINT);
  sigaddset(&set_, SIGRTMIN);
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
}

int StopSignals::Wait() const {
  int signal = 0;
  sigwait(&set_, &signal);
  return signal == SIGRTMIN ? kInterrupted : signal;
}

void StopSignals::Interrupt() { kill(getpid(), SIGRTMIN); }

}  // namespace tensorferry
