#include "rpc/server.h"

#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <deque>
#include <limits>
#include <optional>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "base/status.h"
#include "rpc/call_steps.h"
#include "rpc/health_service.h"
#include "rpc/native/tensor_service.h"
#include "rpc/native/warm_up.h"
#include "rpc/oip/inference_service.h"
#include "rpc/reflection_service.h"
#include "rpc/serve/call_gate.h"
#include "rpc/serve/guarded.h"
#include "rpc/serve/stall_watch.h"

namespace tensorferry::rpc {
namespace {

constexpr std::array kServiceNames{"tensorferry.v1.TensorService", "inference.GRPCInferenceService"};
constexpr int kMaxStreamsPerConnection = 100;
constexpr int kThreadsPerQueue = 2;

// gRPC's own lines, in our log and our format.
void LogForGrpc(gpr_log_func_args* line) {
  const auto level = line->severity == GPR_LOG_SEVERITY_ERROR  ? spdlog::level::err
                     : line->severity == GPR_LOG_SEVERITY_INFO ? spdlog::level::info
                                                               : spdlog::level::debug;
  spdlog::log(level, "grpc: {}", line->message);
}

// protobuf's, of texts that are not UTF-8: each caller could fill the log with them.
void LogForProtobuf(google::protobuf::LogLevel, const char*, int, const std::string& message) {
  spdlog::debug("protobuf: {}", message);
}

constexpr bool IsUnix(const std::string& address) { return address.starts_with("unix:"); }

// `address` with the port that the system chose.
std::string WithPort(const std::string& address, int port) {
  return IsUnix(address) ? address : fmt::format("{}:{}", address.substr(0, address.rfind(':')), port);
}

void SetTransportOptions(const ServerOptions& options, grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(
      static_cast<int>(std::min<std::uint64_t>(options.max_message_bytes, std::numeric_limits<int>::max())));
  builder.SetMaxSendMessageSize(-1);                        // We frame what we send.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // Else a second server would share the port in silence.
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);  // Nobody asks; every call would be recorded.
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 30'000);
  if (!options.compression) {  // 50 KB of gzip can hold 50 MB: an amplifier.
    builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
    builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  }
}

class GrpcServer final : public Server {
 public:
  GrpcServer(const ServerOptions& options, inference::Pipeline& pipeline, BufferPool& pool)
      : regions_(options.shared_memory, "--shared-memory is off"),
        copiers_(options.threads),
        environment_{.converter = pipeline,
                     .models = pipeline,
                     .pool = pool,
                     .gate = gate_,
                     .regions = regions_,
                     .limits = {.max_tensor_bytes = options.max_tensor_bytes},
                     .max_message_bytes = options.max_message_bytes,
                     .torch_version = options.torch_version},
        chain_(MakeCallSteps(gate_)),
        tensors_(environment_, copiers_, services_),
        inference_(environment_, {pipeline, options.model_overrides}, copiers_, services_),
        health_(services_),
        reflection_(services_) {
    health_.Set("", true);
    for (const char* const name : kServiceNames) health_.Set(name, false);
    pipeline.ObserveModels([this](const std::string& name, bool ready) { health_.Set("model:" + name, ready); });
  }

  ~GrpcServer() override {
    environment_.models.ObserveModels(nullptr);
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
    live_.WaitForNone();
    stall_watch_.reset();
    for (ServingQueue& queue : queues_) queue.Stop();
  }

  absl::Status Listen(const ServerOptions& options) {
    gpr_set_log_function(LogForGrpc);
    google::protobuf::SetLogHandler(LogForProtobuf);
    // Debian's abseil looks for deadlocks at every lock of gRPC's, for some percent of a small call's time.
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    if (const absl::Status cold = Guarded([this] { return WarmUp(environment_); }); !cold.ok()) {
      spdlog::debug("not warmed up: {}", DescribeError(cold).message);  // The limits refuse even a small array.
    }
    grpc::EnableDefaultHealthCheckService(false);
    grpc::ServerBuilder builder;
    SetTransportOptions(options, builder);
    builder.RegisterService(&tensors_.service());
    builder.RegisterService(&inference_.service());
    builder.RegisterService(&health_.service());
    if (options.reflection) builder.RegisterService(&reflection_.service());
    const int threads_per_queue = std::min(options.threads, kThreadsPerQueue);
    for (int threads = 0; threads < options.threads; threads += threads_per_queue) queues_.emplace_back(builder);
    std::vector<int> ports(options.listen.size(), 0);
    for (std::size_t i = 0; i < ports.size(); ++i) {
      builder.AddListeningPort(options.listen[i], grpc::InsecureServerCredentials(), &ports[i]);
    }
    server_ = builder.BuildAndStart();
    for (std::size_t i = 0; i < ports.size(); ++i) {
      if (server_ == nullptr && ports[i] == 0) {
        return absl::UnavailableError(fmt::format("cannot listen on {}", options.listen[i]));
      }
      addresses_.push_back(WithPort(options.listen[i], ports[i]));
    }
    if (server_ == nullptr) return absl::UnavailableError("gRPC did not start");
    for (ServingQueue& queue : queues_) {
      tensors_.Serve(queue);
      inference_.Serve(queue);
      health_.Serve(queue);
      if (options.reflection) reflection_.Serve(queue);
      queue.Start(threads_per_queue);
    }
    stall_watch_.emplace(queues_);
    return absl::OkStatus();
  }

  const std::vector<std::string>& addresses() const override { return addresses_; }

  void AnnounceReady() override {
    for (const char* const name : kServiceNames) health_.Set(name, true);
    inference_.SetReady(true);
  }

  void AnnounceStop() override {
    health_.SetAllNotServing();
    inference_.SetReady(false);
  }

  bool Stop(std::chrono::steady_clock::time_point deadline) override {
    AnnounceStop();
    gate_.Close();
    const bool idle = gate_.WaitUntilIdle(deadline);
    // What is left are streams without a request and health watches, which would go on for ever; their last answers are
    // given a moment to leave.
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(200));
    return idle;
  }

 private:
  CallGate gate_;
  SharedRegions regions_;
  LiveCoroutines live_;
  std::deque<ServingQueue> queues_;
  std::optional<StallWatch> stall_watch_;
  WorkerPool copiers_;
  const CallEnvironment environment_;
  const CallChain chain_;
  const ServiceEnvironment services_{live_, chain_};
  TensorService tensors_;
  InferenceService inference_;
  HealthService health_;
  ReflectionService reflection_;
  std::vector<std::string> addresses_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options, inference::Pipeline& pipeline,
                                                      BufferPool& pool) {
  auto server = std::make_unique<GrpcServer>(options, pipeline, pool);
  if (const absl::Status status = server->Listen(options); !status.ok()) return status;
  return server;
}

}  // namespace tensorferry::rpc
