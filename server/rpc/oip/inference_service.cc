#include "rpc/oip/inference_service.h"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "rpc/call/request_check.h"
#include "rpc/call/stream_serving.h"
#include "rpc/call/unary_serving.h"
#include "rpc/oip/infer_error.h"
#include "rpc/oip/log_settings.h"
#include "rpc/oip/model_replies.h"
#include "rpc/serve/unary_handler.h"
#include "rpc/triton_config/model_config_text.h"

namespace tensorferry::rpc {
namespace {

// Serves one ordinary method: NAME takes a NAMERequest, and `handle` makes of it what a NAMEResponse says, or an error.
#define TENSORFERRY_SERVE(name, ...)                                              \
  slots_.Serve([this, queue](CallSlots& slots) {                                  \
    ServeUnary<triton::name##Request, triton::name##Response>(                    \
        slots,                                                                    \
        [this, queue](auto* context, auto* request, auto* responder, Tag* tag) {  \
          service_.Request##name(context, request, responder, queue, queue, tag); \
        },                                                                        \
        [this]([[maybe_unused]] const triton::name##Request& request,             \
               [[maybe_unused]] triton::name##Response& response) {               \
          return InferEndOf(#name, Guarded([&]() -> absl::Status __VA_ARGS__));   \
        });                                                                       \
  })

// The same of a method that calls `done` with its status.
#define TENSORFERRY_SERVE_LATER(name, ...)                                                              \
  slots_.Serve([this, queue](CallSlots& slots) {                                                        \
    ServeUnaryLater<triton::name##Request, triton::name##Response>(                                     \
        slots,                                                                                          \
        [this, queue](auto* context, auto* request, auto* responder, Tag* tag) {                        \
          service_.Request##name(context, request, responder, queue, queue, tag);                       \
        },                                                                                              \
        [this](const triton::name##Request& request, [[maybe_unused]] triton::name##Response& response, \
               const auto& done) -> void __VA_ARGS__);                                                  \
  })

std::vector<std::string> ReadyVersionsOf(const inference::Pipeline& pipeline, const std::string& name) {
  std::vector<std::string> versions;
  for (const inference::ModelInfo& model : pipeline.Models()) {
    if (model.name == name && model.state == inference::ModelState::kReady) versions.push_back(model.version);
  }
  return versions;
}

// One model's, or those of all that are ready.
absl::Status AddStatistics(const inference::Pipeline& pipeline, const triton::ModelStatisticsRequest& request,
                           triton::ModelStatisticsResponse& response) {
  const auto add = [&](const inference::ModelVersion& version) {
    *response.add_model_stats() = StatisticsOf(version.info(), version.statistics());
  };
  if (!request.name().empty()) {
    TENSORFERRY_ASSIGN_OR_RETURN(const auto version, pipeline.FindModel(request.name(), request.version()));
    if (!request.version().empty()) {
      add(*version);
      return absl::OkStatus();
    }
  }
  for (const inference::ModelInfo& model : pipeline.Models()) {
    if (!request.name().empty() && model.name != request.name()) continue;
    const auto version = pipeline.FindModel(model.name, model.version);
    if (version.ok()) add(**version);
  }
  return absl::OkStatus();
}

absl::Status CheckRepositoryName(const std::string& name) {
  if (name.empty()) return absl::OkStatus();
  return MakeError(Reason::kOperatorUnsupported, "'repository_name' specification is not supported",
                   {.field = "repository_name", .expected = "''", .actual = Quote(name)});
}

// KServe's own clients have the model's name where Triton's have that of the repository.
template <typename Request>
const std::string& ModelNameOf(const Request& request) {
  return request.model_name().empty() ? request.repository_name() : request.model_name();
}

// With the codes and words that foreign programs look for. No details: they would say otherwise.
grpc::Status LoadEndOf(const std::string& name, const absl::Status& status) {
  const grpc::Status end = InferEndOf("RepositoryModelLoad", status);
  if (end.ok()) return end;
  if (DescribeError(status).reason == Reason::kModelNotFound) {
    return {grpc::StatusCode::INTERNAL,
            fmt::format("failed to load {}, failed to poll from model repository", Quote(name))};
  }
  return {grpc::StatusCode::INVALID_ARGUMENT,
          fmt::format("load failed for model {}: failed to load: {}", Quote(name), end.error_message())};
}

// Of a request to load or unload. In KServe's form the name that there is is the model's.
template <typename Request>
absl::Status CheckControl(const Request& request, const inference::Pipeline& pipeline) {
  if (!request.model_name().empty()) TENSORFERRY_RETURN_IF_ERROR(CheckRepositoryName(request.repository_name()));
  if (pipeline.callers_control()) return absl::OkStatus();
  return MakeError(
      Reason::kModelNotReady,
      "explicit model load / unload is not allowed: the server was not started with --model-control explicit");
}

absl::Status CheckAllowed(const std::string& parameter, AllowedOverrides least, AllowedOverrides allowed) {
  if (allowed >= least) return absl::OkStatus();
  return MakeError(Reason::kPermissionDenied,
                   fmt::format("parameter {} is refused: the server was not started with --model-overrides {}",
                               Quote(parameter), least == AllowedOverrides::kFiles ? "files" : "config"),
                   {.field = "parameters"});
}

absl::Status BadLoad(const std::string& why) {
  return MakeError(Reason::kInputMismatch, "failed to load: " + why,
                   {.field = "parameters", .expected = "config (string_param), file:VERSION/FILE (bytes_param)"});
}

// What a load brings along.
absl::StatusOr<inference::ModelOverrides> OverridesOf(const triton::RepositoryModelLoadRequest& request,
                                                      AllowedOverrides allowed) {
  constexpr std::string_view kFile = "file:";
  inference::ModelOverrides overrides;
  for (const auto& [name, value] : request.parameters()) {
    if (name == "config" && value.has_string_param()) {
      TENSORFERRY_RETURN_IF_ERROR(CheckAllowed(name, AllowedOverrides::kConfig, allowed));
      if (value.string_param().empty()) return BadLoad("parameter 'config' is empty, expected JSON");
      overrides.config = value.string_param();
    } else if (name.starts_with(kFile) && value.has_bytes_param()) {
      TENSORFERRY_RETURN_IF_ERROR(CheckAllowed(name, AllowedOverrides::kFiles, allowed));
      overrides.files[name.substr(kFile.size())] = value.bytes_param();
    } else {
      return BadLoad(fmt::format("parameter {} is not known, or of another type", Quote(name)));
    }
  }
  if (!overrides.files.empty() && overrides.config.empty()) {
    return BadLoad("files need a configuration with them: parameter 'config'");
  }
  return overrides;
}

absl::Status NoCuda() {
  return MakeError(
      Reason::kBadSharedMemory,
      "failed to register CUDA shared memory region: this server takes no tensors from the memory of a GPU");
}

}  // namespace

void InferenceService::Serve(ServingQueue& queue) {
  ServeInference(queue);
  ServeServer(queue.get());
  ServeModels(queue.get());
  ServeRepository(queue.get());
  ServeSystemMemory(queue.get());
  ServeCudaMemory(queue.get());
}

void InferenceService::ServeInference(ServingQueue& serving_queue) {
  grpc::ServerCompletionQueue* const queue = serving_queue.get();
  slots_.Serve([this, queue, &serving_queue](CallSlots& slots) {
    ServeRequest<InferProtocol>(serving_queue, copiers_, slots, environment_,
                                [this, queue](auto* context, auto* request, auto* responder, Tag* tag) {
                                  service_.RequestModelInfer(context, &request->bytes, responder, queue, queue, tag);
                                });
  });
  slots_.Serve([this, queue, &serving_queue](CallSlots& slots) {
    ServeStream<InferStreamProtocol>(serving_queue, copiers_, slots, environment_,
                                     [this, queue](auto* context, auto* stream, Tag* tag) {
                                       service_.RequestModelStreamInfer(context, stream, queue, queue, tag);
                                     });
  });
}

void InferenceService::ServeServer(grpc::ServerCompletionQueue* queue) {
  TENSORFERRY_SERVE(ServerLive, {
    response.set_live(true);
    return absl::OkStatus();
  });
  TENSORFERRY_SERVE(ServerReady, {
    response.set_ready(ready_);
    return absl::OkStatus();
  });
  TENSORFERRY_SERVE(ServerMetadata, {
    response.set_name("tensorferry");
    response.set_version(TENSORFERRY_VERSION);
    for (const char* const extension : {"classification", "model_repository", "model_repository(unload_dependents)",
                                        "schedule_policy", "model_configuration", "binary_tensor_data", "parameters",
                                        "statistics", "trace", "logging", "tensorferry_datatypes"}) {
      response.add_extensions(extension);
    }
    if (calls_.regions.enabled()) response.add_extensions("system_shared_memory");
    return absl::OkStatus();
  });
  TENSORFERRY_SERVE(TraceSetting, {
    if (!request.model_name().empty()) {
      TENSORFERRY_RETURN_IF_ERROR(calls_.pipeline.FindModel(request.model_name(), "").status());
    }
    Tracer::Values values;
    for (const auto& [name, value] : request.settings()) values[name] = {value.value().begin(), value.value().end()};
    TENSORFERRY_RETURN_IF_ERROR(tracer_.Set(request.model_name(), values));
    for (const auto& [name, value] : tracer_.Get(request.model_name())) {
      (*response.mutable_settings())[name].mutable_value()->Add(value.begin(), value.end());
    }
    return absl::OkStatus();
  });
  TENSORFERRY_SERVE(LogSettings, { return ChangeLogSettings(request, response); });
}

void InferenceService::ServeModels(grpc::ServerCompletionQueue* queue) {
  TENSORFERRY_SERVE(ModelReady, {
    response.set_ready(calls_.pipeline.FindModel(request.name(), request.version()).ok());
    return absl::OkStatus();
  });
  TENSORFERRY_SERVE(ModelMetadata, {
    TENSORFERRY_ASSIGN_OR_RETURN(const auto model, calls_.pipeline.FindModel(request.name(), request.version()));
    response = MetadataOf(model->info(), ReadyVersionsOf(calls_.pipeline, request.name()));
    return absl::OkStatus();
  });
  TENSORFERRY_SERVE(ModelConfig, {
    TENSORFERRY_ASSIGN_OR_RETURN(const auto model, calls_.pipeline.FindModel(request.name(), request.version()));
    *response.mutable_config() = ToProto(model->info(), model->config());
    return absl::OkStatus();
  });
  TENSORFERRY_SERVE(ModelStatistics, { return AddStatistics(calls_.pipeline, request, response); });
}

void InferenceService::ServeRepository(grpc::ServerCompletionQueue* queue) {
  TENSORFERRY_SERVE_LATER(RepositoryIndex, {
    if (const absl::Status status = CheckRepositoryName(request.repository_name()); !status.ok()) {
      return done(InferEndOf("RepositoryIndex", status));
    }
    calls_.pipeline.ListRepository([&request, &response, done](const auto& entries) {
      if (entries.ok()) response = IndexOf(*entries, request.ready());
      done(InferEndOf("RepositoryIndex", entries.status()));
    });
  });
  TENSORFERRY_SERVE_LATER(RepositoryModelLoad, {
    auto overrides = OverridesOf(request, model_overrides_);
    absl::Status status = CheckControl(request, calls_.pipeline);
    if (status.ok()) status = overrides.status();
    if (!status.ok()) return done(InferEndOf("RepositoryModelLoad", status));
    const std::string name = ModelNameOf(request);
    calls_.pipeline.LoadModel(name, *overrides,
                              [name, done](const absl::Status& loaded) { done(LoadEndOf(name, loaded)); });
  });
  TENSORFERRY_SERVE_LATER(RepositoryModelUnload, {
    const auto end = [done](const absl::Status& status) { done(InferEndOf("RepositoryModelUnload", status)); };
    if (const absl::Status status = CheckControl(request, calls_.pipeline); !status.ok()) return end(status);
    calls_.pipeline.UnloadModel(ModelNameOf(request), end);
  });
}

void InferenceService::ServeSystemMemory(grpc::ServerCompletionQueue* queue) {
  TENSORFERRY_SERVE(SystemSharedMemoryStatus, {
    for (const auto& region : calls_.regions.List()) {
      if (!request.name().empty() && region->name() != request.name()) continue;
      auto& status = (*response.mutable_regions())[region->name()];
      status.set_name(region->name());
      status.set_key(region->key());
      status.set_offset(region->offset());
      status.set_byte_size(region->nbytes());
    }
    if (request.name().empty() || response.regions_size() > 0) return absl::OkStatus();
    return MakeError(Reason::kRegionNotFound,
                     fmt::format("Unable to find system shared memory region: {}", Quote(request.name())),
                     {.field = "name", .actual = Quote(request.name())});
  });
  slots_.Serve([this, queue](CallSlots& slots) {
    ServeUnary<triton::SystemSharedMemoryRegisterRequest, triton::SystemSharedMemoryRegisterResponse>(
        slots,
        [this, queue](auto* context, auto* request, auto* responder, Tag* tag) {
          service_.RequestSystemSharedMemoryRegister(context, request, responder, queue, queue, tag);
        },
        [this](const auto& request, auto&) {
          const auto registered = [&]() -> absl::StatusOr<bool> {
            TENSORFERRY_RETURN_IF_ERROR(CheckName("name", request.name()));
            return calls_.regions.Register(request.name(), request.key(), request.offset(), request.byte_size());
          }();
          if (!registered.ok()) return InferEndOf("SystemSharedMemoryRegister", registered.status());
          if (*registered) return grpc::Status::OK;
          return grpc::Status(grpc::StatusCode::ALREADY_EXISTS,
                              fmt::format("shared memory region {} already in manager", Quote(request.name())));
        });
  });
  TENSORFERRY_SERVE(SystemSharedMemoryUnregister, {
    calls_.regions.Unregister(request.name());
    return absl::OkStatus();
  });
}

void InferenceService::ServeCudaMemory(grpc::ServerCompletionQueue* queue) {
  TENSORFERRY_SERVE(CudaSharedMemoryStatus, {
    if (request.name().empty()) return absl::OkStatus();
    return MakeError(Reason::kRegionNotFound,
                     fmt::format("Unable to find cuda shared memory region: {}", Quote(request.name())),
                     {.field = "name", .actual = Quote(request.name())});
  });
  TENSORFERRY_SERVE(CudaSharedMemoryRegister, { return NoCuda(); });
  TENSORFERRY_SERVE(CudaSharedMemoryUnregister, { return absl::OkStatus(); });
}

}  // namespace tensorferry::rpc
