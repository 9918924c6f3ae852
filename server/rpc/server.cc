#include "rpc/server.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "base/failure_text.h"
#include "base/start_thread.h"
#include "base/status.h"
#include "rpc/call_steps.h"
#include "rpc/grpc_threads.h"
#include "rpc/library_logs.h"
#include "rpc/listen_error.h"
#include "rpc/native/warm_up.h"
#include "rpc/serve/guarded.h"
#include "rpc/tls_credentials.h"
#include "rpc/transport.h"
#include "sealed/side_socket.h"

namespace tensorferry::rpc {
namespace {

constexpr int kThreadsPerQueue = 2;

// When everything has ended that Stop waits for, the last responses get this much time before gRPC's own shutdown
// cancels the calls.
constexpr std::chrono::milliseconds kLastAnswers{200};

// Calls that come meanwhile are refused with DRAINING: until none has come for kQuiet, which is longer than a busy
// caller takes to send its next one, and at most for kMostQuieting. Requests are refused first, then all other calls.
constexpr std::chrono::milliseconds kQuiet{100};
constexpr std::chrono::milliseconds kMostQuieting{1000};

constexpr std::string_view kUnix = "unix:";

// Peers may hand over as many bytes as the memory budget has. Most of the files that the process may open are left for
// gRPC's connections, and for the regions of shared memory.
constexpr std::uint64_t kFilesPerSealedRegion = 8;
constexpr std::uint64_t kFilesPerSideConnection = 16;
constexpr std::uint64_t kMostSealedRegions = 4096;
constexpr std::uint64_t kMostSideConnections = 512;

// Callers who hold more memory than their share are to make room for others who wait for it.
WaitLimit::Hurry HurryFor(PeerShares& shares) {
  return {.is_needed = [&shares] { return shares.anybody_waits(); },
          .concerns = [&shares](const AsyncCall& call) { return !shares.CheckYield(call.memory_name()).ok(); }};
}

std::uint64_t MostFiles() {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  return files.rlim_cur;
}

std::string_view SettingOf(const RegionKinds& kinds) {
  if (!kinds.any()) return "--shared-memory is off";
  if (kinds.system && kinds.cuda) return "--shared-memory is all";
  return kinds.system ? "--shared-memory is system" : "--shared-memory is cuda";
}

cuda::MaybeDriver LoadGpus(const RegionKinds& kinds) {
  if (!kinds.cuda) {
    return MakeError(Reason::kBadSharedMemory,
                     fmt::format("this server takes no tensors from the memory of a GPU: {}", SettingOf(kinds)));
  }
  cuda::MaybeDriver driver = cuda::Driver::Load();
  if (!driver.ok()) spdlog::warn("no CUDA shared memory is taken: {}", TextForLog(DescribeError(driver.status())));
  return driver;
}

bool TakesSealedMemory(const ServerOptions& options) {
  return options.sealed_memory != SealedMemoryUse::kOff &&
         std::ranges::any_of(options.listen, [](const auto& address) { return address.starts_with(kUnix); });
}

}  // namespace

std::string GrpcVersion() { return grpc::Version(); }

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options, inference::Pipeline& pipeline,
                                                      BufferPool& pool) {
  SendLibraryLogsToOurs(GrpcLog::kDebug);  // If an address fails, the status says why, and gRPC several lines more.
  // Debian builds abseil without NDEBUG, so it checks for deadlocks at every lock of gRPC's, which takes some percent
  // of a small call's time. https://github.com/grpc/grpc/issues/40390
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  std::unique_ptr<Server> server(new Server(options, pipeline, pool));
  if (const absl::Status cold = Guarded([&] { return WarmUp(server->environment_); }); !cold.ok()) {
    spdlog::debug("not warmed up: {}", DescribeError(cold).message);  // The limits refuse even a small array.
  }
  TENSORFERRY_RETURN_IF_ERROR(server->Listen(options));
  SendLibraryLogsToOurs(GrpcLog::kAsIs);
  server->StartServing(options);
  return server;
}

Server::Server(const ServerOptions& options, inference::Pipeline& pipeline, BufferPool& pool)
    : gpus_(LoadGpus(options.shared_memory)),
      regions_(options.shared_memory, SettingOf(options.shared_memory)),
      sealed_regions_({.regions = std::min(kMostSealedRegions, MostFiles() / kFilesPerSealedRegion),
                       .nbytes = pool.budget().limit()}),
      copiers_(options.threads),
      waits_(options.idle_timeout, HurryFor(pool.shares())),
      chain_(MakeCallSteps(gate_, options.tokens, options.recorders)),
      environment_{.converter = pipeline,
                   .models = pipeline,
                   .pool = pool,
                   .chain = chain_,
                   .regions = regions_,
                   .limits = {.max_tensor_bytes = options.max_tensor_bytes},
                   .max_message_bytes = options.max_message_bytes,
                   .torch_version = options.torch_version,
                   .tls = options.tls != nullptr,
                   .gpus = gpus_.ok(),
                   .sealed = TakesSealedMemory(options) ? &sealed_regions_ : nullptr},
      tensors_(environment_, service_environment_),
      inference_(environment_, {pipeline, options.model_overrides}, service_environment_, gpus_),
      health_(service_environment_),
      reflection_(service_environment_, reflected_),
      reflection_alpha_(service_environment_, reflected_) {
  // This is the only list of services: everything that registers services, serves them, reports their health or lists
  // them by reflection uses it.
  AddService(health_, /*announced=*/false);
  if (options.reflection) {
    AddService(reflection_, /*announced=*/false);
    AddService(reflection_alpha_, /*announced=*/false);
  }
  AddService(inference_, /*announced=*/true);
  AddService(tensors_, /*announced=*/true);
  health_.Set("", true);
  SetHealth(false);
  pipeline.ObserveModels([this](const std::string& name, bool ready) { SetModelHealth(name, ready); });
}

Server::~Server() {
  environment_.models.ObserveModels(nullptr);
  if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
  local_.Close();
  live_.WaitForNone();
  stall_watch_.reset();
  for (ServingQueue& queue : queues_) queue.Stop();
}

template <typename Service>
void Server::AddService(Service& service, bool announced) {
  services_.push_back({.name = Service::kName,
                       .service = service.service(),
                       .serve = [&service](ServingQueue& queue) { service.Serve(queue); },
                       .announced = announced});
  reflected_.List(Service::kName);
}

absl::Status Server::Listen(const ServerOptions& options) {
  KeepThreadsForGrpc(ThreadsToKeepForGrpc());
  CheckForThreads("gRPC", ThreadsThatGrpcStarts() + options.threads + 1);  // MakeThreads takes the others.
  grpc::EnableDefaultHealthCheckService(false);
  grpc::ServerBuilder builder;
  SetTransportOptions(options.max_message_bytes, options.compression, builder);
  SetConnectionLimits(options.connections, builder);
  LimitReceivedBytes(options.receive_budget, options.max_message_bytes, builder);
  for (const ServedService& served : services_) builder.RegisterService(&served.service);
  MakeThreads(options, builder);
  for (const std::string& address : options.listen) {
    if (IsTaken(address)) {
      return absl::UnavailableError(fmt::format("cannot listen on {}: address already in use", address));
    }
  }
  std::vector<int> ports(options.listen.size(), 0);
  if (options.tls != nullptr) tls_ = std::make_shared<TlsCredentials>(*options.tls);
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const bool plain = tls_ == nullptr || options.listen[i].starts_with("unix:");
    builder.AddListeningPort(options.listen[i], plain ? grpc::InsecureServerCredentials() : tls_, &ports[i]);
  }
  {
    const OwnerOnly made(options.unix_sockets.any());
    server_ = builder.BuildAndStart();
    if (server_ != nullptr) TENSORFERRY_RETURN_IF_ERROR(ListenForSealedMemory(options));
  }
  for (std::size_t i = 0; i < ports.size(); ++i) {
    if (server_ == nullptr && ports[i] == 0) {
      return absl::UnavailableError(
          fmt::format("cannot listen on {}: {}", options.listen[i], ReasonNotToListen(options.listen[i])));
    }
    addresses_.push_back(WithPort(options.listen[i], ports[i]));
  }
  if (server_ == nullptr) return absl::UnavailableError("gRPC did not start");
  return SetRights(options.unix_sockets);
}

absl::Status Server::ListenForSealedMemory(const ServerOptions& options) {
  if (!TakesSealedMemory(options)) return absl::OkStatus();
  side_server_.emplace(sealed_regions_, std::min(kMostSideConnections, MostFiles() / kFilesPerSideConnection));
  for (const std::string& address : options.listen) {
    if (!address.starts_with(kUnix)) continue;
    const absl::Status error = side_server_->Listen(sealed::SidePath(address.substr(kUnix.size())));
    if (!error.ok() && options.sealed_memory == SealedMemoryUse::kOn) return error;
    if (!error.ok()) spdlog::warn("no sealed memory is taken beside {}: {}", address, std::string(error.message()));
  }
  return side_server_->Start();
}

absl::Status Server::SetRights(const SocketRights& rights) const {
  if (!rights.any()) return absl::OkStatus();
  std::vector<std::string> paths;
  for (const std::string& address : addresses_) {
    if (address.starts_with(kUnix)) paths.push_back(address.substr(kUnix.size()));
  }
  if (side_server_) std::ranges::copy(side_server_->paths(), std::back_inserter(paths));
  for (const std::string& path : paths) {
    if (const absl::Status error = SetSocketRights(path, rights); !error.ok()) {
      return absl::UnavailableError(fmt::format("cannot listen on unix:{}: {}", path, std::string(error.message())));
    }
  }
  return absl::OkStatus();
}

// All threads exist before an address is listened on: nobody can have connected yet if the system has too few of them.
void Server::MakeThreads(const ServerOptions& options, grpc::ServerBuilder& builder) {
  const int threads_per_queue = std::min(options.threads, kThreadsPerQueue);
  for (int threads = 0; threads < options.threads; threads += threads_per_queue) {
    queues_.emplace_back(builder).MakeThreads(threads_per_queue);
  }
  stall_watch_.emplace(queues_);
}

void Server::StartServing(const ServerOptions& options) {
  for (ServingQueue& queue : queues_) {
    for (const ServedService& served : services_) served.serve(queue);
    queue.Start(std::min(options.threads, kThreadsPerQueue));
  }
}

void Server::SetHealth(bool serving) {
  for (const ServedService& served : services_) {
    if (served.announced) health_.Set(served.name, serving);
  }
}

// A model that is not known any more is forgotten, as names that come and go would otherwise be kept for ever.
void Server::SetModelHealth(const std::string& name, bool ready) {
  const auto model = environment_.models.FindModel(name, "");
  const bool known = ready || model.ok() || DescribeError(model.status()).reason != Reason::kModelNotFound;
  if (known) {
    health_.Set("model:" + name, ready);
  } else {
    health_.Forget("model:" + name);
  }
}

std::shared_ptr<grpc::Channel> Server::InProcessChannel() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  return server_->InProcessChannel(arguments);
}

void Server::AnnounceReady() {
  phase_ = Phase::kReady;
  SetHealth(true);
  inference_.SetReady(true);
}

void Server::AnnounceStop() {
  phase_ = Phase::kStopping;
  health_.SetAllNotServing();
  inference_.SetReady(false);
}

bool Server::Stop(std::chrono::steady_clock::time_point deadline) {
  AnnounceStop();
  gate_.Close();
  const bool idle = gate_.WaitUntilIdle(deadline);
  // gRPC would end what comes later with CANCELLED, which no caller takes for a reason to try elsewhere.
  gate_.WaitUntilQuiet(kQuiet, std::chrono::steady_clock::now() + kMostQuieting);
  gate_.CloseToAll();
  gate_.WaitUntilQuiet(kQuiet, std::chrono::steady_clock::now() + kMostQuieting);
  // Only streams without a request and health watches are left, which would go on for ever.
  server_->Shutdown(std::chrono::system_clock::now() + kLastAnswers);
  side_server_.reset();
  return idle;
}

}  // namespace tensorferry::rpc
