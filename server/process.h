#pragma once

#include "base/bus_errors.h"
#include "base/memory_upkeep.h"
#include "config/exit_code.h"
#include "inference/repository/scratch_folder.h"
#include "inference/repository/torch_pipeline.h"
#include "stop_signals.h"

namespace tensorferry {

// What a process has once, and how it ends. The steps that make it are the constructors of the members, in their order.
// Lifetime: constructed before the first thread is started, since malloc, the mask of signals and the environment are
// set here.
class Process {
 public:
  Process() = default;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  const StopSignals& signals() const { return signals_; }

  // From now on the next signal ends the process at once, with the exit code 128 + its number.
  void EndAtNextSignal();

  // Ends the process without destroying anything: every call has ended, and what is left is gRPC's own shutdown, which
  // now and then waits ten seconds for a poller of its own that sleeps that long, and only gives back what the system
  // takes back anyway.
  [[noreturn]] void End(ExitCode code);

 private:
  const struct Malloc {
    Malloc() { KeepMallocMemory(); }
  } malloc_;
  const StopSignals signals_;
  const BusErrorHandler bus_errors_;
  const struct Torch {
    Torch() { inference::PrepareTorch(); }
  } torch_;
  inference::ScratchFolder scratch_;
};

}  // namespace tensorferry
