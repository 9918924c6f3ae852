#pragma once

namespace tensorferry {

// ExitCode is the exit code of the server's process. Scripts and unit files depend on the numbers.
enum class ExitCode {
  kOk = 0,             // The server was stopped by a signal, or has printed a text that was asked for.
  kUsage = 2,          // A flag or its value is wrong.
  kConfiguration = 3,  // The configuration file or an environment variable is wrong, or settings do not go together.
  kCannotListen = 4,
  kCredentials = 5,  // A certificate, a key, a CA or a file of tokens cannot be read or used.
  kModelLoad = 6,    // The repository cannot be read, or, with --strict-start, a model cannot be loaded.
  kDeaf = 7,         // The server could not connect to itself any more.
  kInternal = 70,
  kNoThread = 71,  // The system has no thread left for a part of the server.
};

}  // namespace tensorferry
