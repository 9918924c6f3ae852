#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/buffer_pool.h"
#include "inference/pipeline.h"
#include "inference/repository_settings.h"
#include "rpc/health_service.h"
#include "rpc/native/tensor_service.h"
#include "rpc/oip/inference_service.h"
#include "rpc/reflection_service.h"
#include "rpc/serve/call_chain.h"
#include "rpc/serve/call_gate.h"
#include "rpc/serve/serving_queue.h"
#include "rpc/serve/stall_watch.h"
#include "rpc/serve/worker_pool.h"

namespace tensorferry::rpc {

// config/config.h has the defaults.
struct ServerOptions {
  std::vector<std::string> listen;  // host:port (port 0: any) or unix:PATH.
  std::uint64_t max_message_bytes;
  std::uint64_t max_tensor_bytes;
  int threads;         // They serve the completion queues, two threads each.
  bool compression;    // Take compressed requests.
  bool shared_memory;  // Take arrays from POSIX shared memory.
  inference::OverridePolicy model_overrides;
  bool reflection;
  std::string torch_version;  // What GetServerInfo says.
};

// The gRPC side of the process: TensorService, GRPCInferenceService, health and reflection on every address.
class Server {
 public:
  // Serves from the moment it returns; health says NOT_SERVING until AnnounceReady. Borrows `pipeline` and `pool`,
  // which outlive the server.
  // Errors: UNAVAILABLE without a reason if an address cannot be listened on; the message says which.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options, inference::Pipeline& pipeline,
                                                       BufferPool& pool);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  // The addresses of ServerOptions::listen, with the real ports.
  const std::vector<std::string>& addresses() const { return addresses_; }

  // The models are loaded: health says SERVING.
  void AnnounceReady();

  // Health says NOT_SERVING, whatever happens; everything is served as before.
  void AnnounceStop();

  // Refuses new requests, lets those in progress finish until the deadline, then ends every call and the listeners.
  // False: some requests were cut off.
  bool Stop(std::chrono::steady_clock::time_point deadline);

 private:
  // One service on the port.
  struct ServedService {
    std::string name;
    grpc::Service& service;
    std::function<void(ServingQueue&)> serve;
    bool announced;  // Whether health says of it what AnnounceReady and AnnounceStop announce.
  };

  Server(const ServerOptions& options, inference::Pipeline& pipeline, BufferPool& pool);

  template <typename Service>
  void AddService(Service& service, bool announced);
  absl::Status Listen(const ServerOptions& options);
  void StartServing(const ServerOptions& options);
  void SetHealth(bool serving);

  CallGate gate_;
  SharedRegions regions_;
  LiveCoroutines live_;
  std::deque<ServingQueue> queues_;
  std::optional<StallWatch> stall_watch_;
  WorkerPool copiers_;
  const CallChain chain_;
  const CallEnvironment environment_;
  const ServiceEnvironment service_environment_{live_, chain_};
  TensorService tensors_;
  InferenceService inference_;
  HealthService health_;
  ReflectionService reflection_;
  std::vector<ServedService> services_;
  std::vector<std::string> addresses_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace tensorferry::rpc
