#pragma once

#include <atomic>
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
#include "base/sealed_regions.h"
#include "base/shared_memory.h"
#include "cuda/driver.h"
#include "inference/pipeline.h"
#include "inference/repository_settings.h"
#include "rpc/call_steps.h"
#include "rpc/health_service.h"
#include "rpc/native/tensor_service.h"
#include "rpc/oip/inference_service.h"
#include "rpc/reflection_service.h"
#include "rpc/serve/call_chain.h"
#include "rpc/serve/call_gate.h"
#include "rpc/serve/local_call.h"
#include "rpc/serve/open_streams.h"
#include "rpc/serve/serving_queue.h"
#include "rpc/serve/stall_watch.h"
#include "rpc/serve/wait_limit.h"
#include "rpc/serve/worker_pool.h"
#include "rpc/socket_file.h"
#include "rpc/transport.h"
#include "sealed/side_server.h"
#include "security/reloaded.h"
#include "security/tls_material.h"
#include "security/tokens.h"
#include "tracing/span_exporter.h"

namespace tensorferry::rpc {

// SealedMemoryUse says whether callers may hand over sealed memory beside unix: addresses. kAuto: where it can be.
enum class SealedMemoryUse : std::uint8_t { kAuto, kOn, kOff };

// The defaults are in config/config.h.
struct ServerOptions {
  std::vector<std::string> listen;  // Each is host:port or unix:PATH; port 0 is any free port.
  std::uint64_t max_message_bytes;
  std::uint64_t max_tensor_bytes;
  std::uint64_t receive_budget;  // That of LimitReceivedBytes.
  int threads;                   // The number of threads that serve the completion queues, two for each queue.
  std::chrono::milliseconds idle_timeout;  // That of WaitLimit.
  ConnectionLimits connections;
  bool compression;           // Whether to take compressed requests.
  RegionKinds shared_memory;  // The memory from which to take arrays.
  SealedMemoryUse sealed_memory = SealedMemoryUse::kOff;
  inference::OverridePolicy model_overrides;
  bool reflection;
  std::string torch_version;  // The text that GetServerInfo gives.
  // The certificate with which TCP addresses serve TLS; Unix sockets stay plain. Borrowed; null: none.
  const security::Reloaded<security::TlsMaterial>* tls = nullptr;
  SocketRights unix_sockets;  // Those of the files of unix: addresses.
  // The tokens that callers must bring. Borrowed; null: callers need none.
  const security::Reloaded<security::Tokens>* tokens = nullptr;
  CallRecorders recorders{};
};

// Returns the version of gRPC, such as "1.51.1".
std::string GrpcVersion();

// Server is the gRPC side of the process: it serves TensorService, GRPCInferenceService, health and reflection on every
// address.
class Server {
 public:
  // Serves from the moment it returns; health says NOT_SERVING until AnnounceReady. Borrows `pipeline` and `pool`,
  // which outlive the server.
  // Errors: UNAVAILABLE without a reason if an address cannot be listened on; the message says which, and why. Throws
  //         NoThread.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options, inference::Pipeline& pipeline,
                                                       BufferPool& pool);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  // Returns the addresses of ServerOptions::listen, with the real ports.
  const std::vector<std::string>& addresses() const { return addresses_; }

  // Returns how many requests with arrays are being worked on, or answered. Threads: any.
  int inflight_requests() const { return gate_.inside(); }

  // Returns how many streams of requests with arrays are open. Threads: any.
  int open_streams() const { return streams_.count(); }

  // Says how far the server is. Threads: any.
  enum class Phase : std::uint8_t {
    kLoading,   // Until AnnounceReady.
    kReady,     // Until AnnounceStop.
    kStopping,  // Until the end.
  };
  Phase phase() const { return phase_.load(std::memory_order_acquire); }

  // Returns the methods with one message each way, which a part of this process may call for others.
  LocalMethods& local_methods() { return local_; }

  // Returns a channel on which a part of this process calls the services as any caller does, and may say for whom: see
  // kPeerKey in serve/grpc_call.h. It carries no calls once the server has stopped.
  std::shared_ptr<grpc::Channel> InProcessChannel();

  // Says that the models are loaded: health says SERVING from now on.
  void AnnounceReady();

  // Makes health say NOT_SERVING from now on. Everything is served as before.
  void AnnounceStop();

  // Refuses new requests, and lets those in progress finish until the deadline. Then ends every call and closes the
  // listeners. Returns false if some requests were cut off.
  bool Stop(std::chrono::steady_clock::time_point deadline);

 private:
  // ServedService is one service on the port.
  struct ServedService {
    std::string name;
    grpc::Service& service;
    std::function<void(ServingQueue&)> serve;
    bool announced;  // Whether AnnounceReady and AnnounceStop change what health says of the service.
  };

  Server(const ServerOptions& options, inference::Pipeline& pipeline, BufferPool& pool);

  template <typename Service>
  void AddService(Service& service, bool announced);
  absl::Status Listen(const ServerOptions& options);
  absl::Status ListenForSealedMemory(const ServerOptions& options);
  absl::Status SetRights(const SocketRights& rights) const;
  void MakeThreads(const ServerOptions& options, grpc::ServerBuilder& builder);
  void StartServing(const ServerOptions& options);
  void SetHealth(bool serving);
  void SetModelHealth(const std::string& name, bool ready);

  CallGate gate_;
  const cuda::MaybeDriver gpus_;
  SharedRegions regions_;
  SealedRegions sealed_regions_;
  std::optional<sealed::SideServer> side_server_;
  LiveCoroutines live_;
  std::deque<ServingQueue> queues_;
  std::optional<StallWatch> stall_watch_;
  WorkerPool copiers_;
  WaitLimit waits_;
  const CallChain chain_;
  const CallEnvironment environment_;
  OpenStreams streams_;
  LocalMethods local_{live_};
  const ServiceEnvironment service_environment_{live_, chain_, copiers_, waits_, streams_, environment_.pool, local_};
  TensorService tensors_;
  InferenceService inference_;
  HealthService health_;
  ReflectionAnswers reflected_;
  ReflectionV1 reflection_;
  ReflectionV1Alpha reflection_alpha_;
  std::atomic<Phase> phase_ = Phase::kLoading;
  std::vector<ServedService> services_;
  std::vector<std::string> addresses_;
  std::shared_ptr<grpc::ServerCredentials> tls_;  // Null without TLS. The listeners of server_ borrow it.
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace tensorferry::rpc
