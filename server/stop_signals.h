#pragma once

#include <chrono>
#include <csignal>

namespace tensorferry {

// StopSignals waits for SIGTERM, SIGINT and SIGHUP: threads that call Wait get these signals, and no other thread does.
// SIGHUP stays ignored if it was when the process began, as `nohup` does it. All other signals that would end the
// process and are no crash are ignored, unless somebody handles them: SIGPIPE and SIGXFSZ, because who writes sees the
// error; the others, because they mean nothing to this process. SIGQUIT and SIGXCPU end it, as they are meant to.
// Threads: any; but constructed before the first thread is started, since threads inherit the signal mask.
class StopSignals {
 public:
  static constexpr int kInterrupted = 0;
  static constexpr int kTimedOut = -1;

  StopSignals();

  // Waits for a signal, and returns its number. Returns kInterrupted after Interrupt was called.
  int Wait() const;

  // Waits as Wait does, but at most for `limit`. Returns kTimedOut then, or earlier.
  int WaitFor(std::chrono::milliseconds limit) const;

  // Makes one call of Wait return kInterrupted: one that waits already, or else the next.
  static void Interrupt();

 private:
  sigset_t set_;
};

}  // namespace tensorferry
