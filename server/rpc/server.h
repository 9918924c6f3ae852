#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/buffer_pool.h"
#include "inference/pipeline.h"
#include "inference/repository_settings.h"

namespace tensorferry::rpc {

struct ServerOptions {
  std::vector<std::string> listen;  // host:port (port 0: any) or unix:PATH.
  std::uint64_t max_message_bytes = 64 << 20;
  std::uint64_t max_tensor_bytes = std::uint64_t{8} << 30;
  int threads = 1;             // Serve the completion queues, two threads each.
  bool compression = false;    // Take compressed requests.
  bool shared_memory = false;  // Take arrays from POSIX shared memory.
  inference::OverridePolicy model_overrides = inference::OverridePolicy::kOff;
  bool reflection = true;
  std::string torch_version{};  // What GetServerInfo says.
};

// The gRPC side of the process: TensorService, GRPCInferenceService, health and reflection on every address.
class Server {
 public:
  // Serves from the moment it returns; health says NOT_SERVING until AnnounceReady. Borrows `pipeline` and `pool`,
  // which outlive the server.
  // Errors: UNAVAILABLE without a reason if an address cannot be listened on; the message says which.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options, inference::Pipeline& pipeline,
                                                       BufferPool& pool);
  virtual ~Server() = default;

  // As in options.listen, with the real ports.
  virtual const std::vector<std::string>& addresses() const = 0;

  // The models are loaded: health says SERVING.
  virtual void AnnounceReady() = 0;

  // Health says NOT_SERVING, whatever happens; everything is served as before.
  virtual void AnnounceStop() = 0;

  // Refuse new requests, let those in progress finish until the deadline, then end every call and the listeners.
  // False: some requests were cut off.
  virtual bool Stop(std::chrono::steady_clock::time_point deadline) = 0;
};

}  // namespace tensorferry::rpc
