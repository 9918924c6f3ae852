#pragma once

namespace tensorferry::inference {

// Makes what TorchScript models print lines of our log, at debug, so that no run waits for a reader of standard output.
void SendPrintsToLog();

// Makes the calling thread's warnings of torch lines of our log.
void SetWarningHandler();

// Calls SetWarningHandler once for each thread, as torch keeps one handler for each. A thread without one would write
// plain text.
inline void SendWarningsToLog() {
  thread_local const bool is_set = (SetWarningHandler(), true);
  static_cast<void>(is_set);
}

}  // namespace tensorferry::inference
