#include "rpc/server.h"

#include <fmt/format.h>
#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/impl/server_builder_plugin.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "rpc/call_gate.h"
#include "rpc/tensor_service.h"

namespace tensorferry::rpc {
namespace {

constexpr char kServiceName[] = "tensorferry.v1.TensorService";

// Threads are one per call in progress; the rest of the calls of a connection wait for their turn.
constexpr int kMaxThreads = 512;
constexpr int kMaxStreamsPerConnection = 100;

// gRPC's own lines, in our log and our format.
void LogForGrpc(gpr_log_func_args* line) {
  const auto level = line->severity == GPR_LOG_SEVERITY_ERROR  ? spdlog::level::err
                     : line->severity == GPR_LOG_SEVERITY_INFO ? spdlog::level::info
                                                               : spdlog::level::debug;
  spdlog::log(level, "grpc: {}", line->message);
}

constexpr bool IsUnix(const std::string& address) { return address.starts_with("unix:"); }

// `address` with the port that the system chose.
std::string WithPort(const std::string& address, int port) {
  return IsUnix(address) ? address : fmt::format("{}:{}", address.substr(0, address.rfind(':')), port);
}

void SetTransportOptions(const ServerOptions& options, grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(
      static_cast<int>(std::min<std::uint64_t>(options.max_message_bytes, std::numeric_limits<int>::max())));
  builder.SetMaxSendMessageSize(-1);  // We frame what we send.
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, options.threads);
  builder.SetResourceQuota(grpc::ResourceQuota("tensorferry").SetMaxThreads(kMaxThreads));
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // Else a second server would share the port in silence.
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 30'000);
  if (!options.compression) {  // 50 KB of gzip can hold 50 MB: an amplifier.
    builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
    builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  }
}

// Takes the reflection plugin out again, which the library adds to every server by being linked.
class NoReflection final : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    std::erase_if(*plugins, [](const auto& plugin) {
      return dynamic_cast<grpc::reflection::ProtoServerReflectionPlugin*>(plugin.get()) != nullptr;
    });
  }
};

class GrpcServer final : public Server {
 public:
  GrpcServer(const ServerOptions& options, inference::Pipeline& pipeline, MemoryBudget& budget)
      : service_({.pipeline = pipeline,
                  .budget = budget,
                  .gate = gate_,
                  .limits = {.max_tensor_bytes = options.max_tensor_bytes},
                  .max_message_bytes = options.max_message_bytes}) {}

  ~GrpcServer() override {
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
  }

  absl::Status Listen(const ServerOptions& options) {
    gpr_set_log_function(LogForGrpc);
    grpc::EnableDefaultHealthCheckService(true);
    grpc::ServerBuilder builder;
    if (!options.reflection) builder.SetOption(std::make_unique<NoReflection>());
    SetTransportOptions(options, builder);
    builder.RegisterService(&service_);
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
    server_->GetHealthCheckService()->SetServingStatus(kServiceName, true);
    return absl::OkStatus();
  }

  const std::vector<std::string>& addresses() const override { return addresses_; }

  void AnnounceStop() override { server_->GetHealthCheckService()->SetServingStatus(false); }

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
  TensorService service_;
  std::vector<std::string> addresses_;
  std::unique_ptr<grpc::Server> server_;  // Last: its threads use the rest.
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options, inference::Pipeline& pipeline,
                                                      MemoryBudget& budget) {
  auto server = std::make_unique<GrpcServer>(options, pipeline, budget);
  if (const absl::Status status = server->Listen(options); !status.ok()) return status;
  return server;
}

}  // namespace tensorferry::rpc
