#pragma once

namespace tensorferry {

// CrashSignals lets out the log's last lines, which say most about a crash, before a signal ends the process: for half a
// second at most, as nobody may read them. The signal then does what it always does.
// Lifetime: constructed after the log. The handlers stay.
class CrashSignals {
 public:
  CrashSignals();
};

}  // namespace tensorferry
