#pragma once

#include <csignal>

namespace tensorferry {

// SIGTERM and SIGINT, taken by the threads that wait for them and by no other. SIGPIPE is ignored: gRPC sees the error
// of the write.
// Threads: any; but constructed before the first thread is started, since threads inherit the mask of signals.
class StopSignals {
 public:
  static constexpr int kInterrupted = 0;

  StopSignals();

  // Waits for a signal, and returns its number; kInterrupted after Interrupt.
  int Wait() const;

  // Has one thread that waits go on, or the next that comes to wait.
  static void Interrupt();

 private:
  sigset_t set_;
};

}  // namespace tensorferry
