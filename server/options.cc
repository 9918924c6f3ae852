#include "options.h"

#include <optional>

#include "inference/repository/torch_pipeline.h"
#include "rpc/triton_config/model_config_text.h"
#include "worker_mode.h"

namespace tensorferry {

inference::RepositoryOptions RepositoryOptionsOf(const config::Config& config) {
  return {.folder = config.model_dir,
          .files = config.models,
          .control = config.model_control,
          .load = config.load_model,
          .poll_interval = config.model_poll_interval,
          .strict_start = config.strict_start,
          .loader = {.device = config.device,
                     .model_threads = config.model_threads,
                     .intra_op_threads = config.intra_op_threads,
                     .max_tensor_bytes = config.max_tensor_bytes,
                     .isolation = config.isolation,
                     .worker_command = WorkerCommandOf(config)},
          .read_config = rpc::ReadModelConfig};
}

namespace {

rpc::AccessLog AccessLogOf(config::AccessLog which) {
  switch (which) {
    case config::AccessLog::kOff: return rpc::AccessLog::kOff;
    case config::AccessLog::kSampled: return rpc::AccessLog::kSampled;
    case config::AccessLog::kAll: return rpc::AccessLog::kAll;
  }
  __builtin_unreachable();
}

rpc::SealedMemoryUse SealedMemoryUseOf(config::SealedMemory when) {
  switch (when) {
    case config::SealedMemory::kAuto: return rpc::SealedMemoryUse::kAuto;
    case config::SealedMemory::kOn: return rpc::SealedMemoryUse::kOn;
    case config::SealedMemory::kOff: return rpc::SealedMemoryUse::kOff;
  }
  __builtin_unreachable();
}

RegionKinds RegionKindsOf(config::SharedMemory kinds) {
  switch (kinds) {
    case config::SharedMemory::kOff: return {};
    case config::SharedMemory::kSystem: return {.system = true};
    case config::SharedMemory::kCuda: return {.cuda = true};
    case config::SharedMemory::kAll: return {.system = true, .cuda = true};
  }
  __builtin_unreachable();
}

rpc::CallRecorders RecordersOf(const config::Config& config, rpc::CallRecorders recorders) {
  if (config.admin_listen == "off" && config.http_listen == "off") recorders = {.spans = recorders.spans};
  recorders.access_log = AccessLogOf(config.access_log);
  return recorders;
}

}  // namespace

rpc::ServerOptions ServerOptionsOf(const config::Config& config, const Credentials& credentials,
                                   const rpc::CallRecorders& recorders) {
  return {.listen = config.listen,
          .max_message_bytes = config.max_message_bytes,
          .max_tensor_bytes = config.max_tensor_bytes,
          .receive_budget = config.receive_budget,
          .threads = config.threads,
          .idle_timeout = config.idle_timeout,
          .connections = {.max_idle = config.max_connection_idle,
                          .max_age = config.max_connection_age,
                          .age_grace = config.max_connection_age_grace},
          .compression = config.compression,
          .shared_memory = RegionKindsOf(config.shared_memory),
          .sealed_memory = SealedMemoryUseOf(config.sealed_memory),
          .model_overrides = config.model_overrides,
          .reflection = config.reflection,
          .torch_version = inference::TorchVersion(),
          .tls = credentials.tls(),
          .unix_sockets = {.mode = config.unix_mode < 0 ? std::nullopt
                                                        : std::optional(static_cast<mode_t>(config.unix_mode)),
                           .group = config.unix_group},
          .tokens = credentials.tokens(),
          .recorders = RecordersOf(config, recorders)};
}

}  // namespace tensorferry
