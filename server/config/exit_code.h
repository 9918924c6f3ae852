#pragma once

namespace tensorferry {

// ExitCode is how the server's process ends. It is part of its interface: scripts and unit files depend on the numbers.
enum class ExitCode {
  kOk = 0,             // Clean stop, or a text that was asked for.
  kUsage = 2,          // A flag, or its value.
  kConfiguration = 3,  // The configuration file, or the value of an environment variable.
  kCannotListen = 4,
  kModelLoad = 6,  // With --strict-start.
  kInternal = 70,
};

}  // namespace tensorferry
