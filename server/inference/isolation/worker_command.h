#pragma once

#include <cstdint>

namespace tensorferry::inference {

// WorkerCommand is the first byte of a message to a worker. Each is answered by one message.
enum class WorkerCommand : std::uint8_t {
  kSetUp,       // Then a WorkerSetup. The answer is a status, then a ModelInfo.
  kRun,         // Then the inputs. The answer is a status, then the outputs.
  kForgetRuns,  // The answer is a status.
};

// The descriptors that a worker gets.
inline constexpr int kWorkerSocket = 3;
inline constexpr int kWorkerArenaOfServer = 4;
inline constexpr int kWorkerArena = 5;
inline constexpr int kWorkerModelFile = 6;

}  // namespace tensorferry::inference
