#pragma once

#include <atomic>
#include <thread>

#include "base/bus_errors.h"
#include "base/memory_upkeep.h"
#include "config/exit_code.h"
#include "crash_signals.h"
#include "file_limit.h"
#include "inference/repository/scratch_folder.h"
#include "inference/repository/torch_pipeline.h"
#include "rpc/transport.h"
#include "service_manager.h"
#include "standard_streams.h"
#include "stop_signals.h"

namespace tensorferry {

// Process holds what a process has once, and ends the process. The constructors of its members set the process up, in
// the order of the members.
// Lifetime: constructed before the first thread is started but the log's, which takes no signals, since its members set
//           malloc, the standard streams, the signal mask and the environment.
class Process {
 public:
  Process();  // Throws NoThread.
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  const StopSignals& signals() const { return signals_; }
  ServiceManager& manager() { return manager_; }
  const StandardStreams& streams() const { return streams_; }
  std::uint64_t most_files() const { return most_files_; }  // How many may be open at a time.

  // Makes the second SIGTERM or SIGINT end the process at once, with the exit code 128 + the signal's number; `first` is
  // the signal that came already. SIGHUP does not count: a terminal that closes sends it twice, and systemd may send it
  // together with SIGTERM, when either can come first. Nor does kInterrupted, which is no signal from outside.
  void EndAtSecondSignal(int first);

  // Ends the process without destroying anything. Every call has ended, and only gRPC's own shutdown is left. It would
  // give back what the system takes back anyway, and now and then wait ten seconds for a thread of gRPC's that polls
  // for so long.
  [[noreturn]] void End(ExitCode code);

 private:
  void AwaitSecondSignal();

  const struct Malloc {
    Malloc() { KeepMallocMemory(); }
  } malloc_;
  const std::uint64_t most_files_ = RaiseFileLimit();
  const StandardStreams streams_;
  const CrashSignals crashes_;
  const StopSignals signals_;
  const BusErrorHandler bus_errors_;
  ServiceManager manager_;  // Its thread takes no signals.
  const struct Grpc {
    Grpc() { rpc::PrepareGrpc(); }
  } grpc_;
  const struct Torch {
    Torch() { inference::PrepareTorch(); }
  } torch_;
  inference::ScratchFolder scratch_;
  // The signal that EndAtSecondSignal was told of, or one of the two values below.
  std::atomic<int> first_signal_ = kNone;
  static constexpr int kNone = -1;
  static constexpr int kNeverComes = -2;
  // Made at the start: when the signal comes, the system may have no thread left.
  std::thread second_signal_;
};

}  // namespace tensorferry
