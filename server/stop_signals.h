#pragma once

#include <csignal>

namespace tensorferry {

// StopSignals waits for SIGTERM and SIGINT: threads that call Wait get these signals, and no other thread does. SIGPIPE
// is ignored, because gRPC sees the error of the write.
// Threads: any; but constructed before the first thread is started, since threads inherit the signal mask.
class StopSignals {
 public:
  static constexpr int kInterrupted = 0;

  StopSignals();

  // Waits for a signal, and returns its number. Returns kInterrupted after Interrupt was called.
  int Wait() const;

  // Makes one call of Wait return kInterrupted: one that waits already, or else the next.
  static void Interrupt();

 private:
  sigset_t set_;
};

}  // namespace tensorferry
