// The methods of GRPCInferenceService that list, load and unload the models of the repository.
#include <fmt/format.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "google/rpc/status.pb.h"
#include "rpc/oip/infer_error.h"
#include "rpc/oip/inference_service.h"
#include "rpc/oip/message_layouts.h"
#include "rpc/oip/model_replies.h"
#include "rpc/serve/error.h"

namespace tensorferry::rpc {
namespace {

// The MessageCheck of a load that may bring files: they are bounded by --max-message-bytes, all else as in a request with
// arrays.
absl::Status CheckUpload(const grpc::ByteBuffer& bytes) {
  std::vector<grpc::Slice> slices;
  bytes.Dump(&slices).ok();  // Copies nothing; fails only for an empty message, which leaves no slices.
  std::vector<Bytes> pieces;
  for (const grpc::Slice& slice : slices) pieces.push_back(std::as_bytes(std::span(slice.begin(), slice.size())));
  return CheckMetadataSize(pieces, kModelLoadRequestLayout);
}

absl::Status CheckRepositoryName(const std::string& name) {
  if (name.empty()) return absl::OkStatus();
  return MakeError(Reason::kOperatorUnsupported, "'repository_name' specification is not supported",
                   {.field = "repository_name", .expected = "''", .actual = Quote(name)});
}

// Returns the model's name. KServe's own clients put it where Triton's clients put the repository's name.
template <typename Request>
const std::string& ModelNameOf(const Request& request) {
  return request.model_name().empty() ? request.repository_name() : request.model_name();
}

// Returns the end of a call with another code and message, and the reason in its details.
grpc::Status Restated(const grpc::Status& end, grpc::StatusCode code, const std::string& message) {
  google::rpc::Status details;
  if (!details.ParseFromString(end.error_details())) details.Clear();
  details.set_code(code);  // Clients refuse details that contradict the status.
  details.set_message(message);
  return {code, message, details.SerializeAsString()};
}

// Ends a load with the codes and words that foreign programs look for. The details have the reason all the same.
CallEnd EndOfLoad(const std::string& name, const absl::Status& status) {
  CallEnd end = ServedMethods::PlainEnd(status.ok() ? status : InferError(status));
  const std::optional<Reason> reason = status.ok() ? std::nullopt : std::optional(ReasonOf(status));
  if (!reason || reason == Reason::kQueueFull) return end;
  if (reason == Reason::kModelNotFound) {
    end.sent = Restated(end.sent, grpc::StatusCode::INTERNAL,
                        fmt::format("failed to load {}, failed to poll from model repository", Quote(name)));
  } else {
    end.sent =
        Restated(end.sent, grpc::StatusCode::INVALID_ARGUMENT,
                 fmt::format("load failed for model {}: failed to load: {}", Quote(name), end.sent.error_message()));
  }
  return end;
}

// Checks a request to load or unload. If model_name is empty, repository_name is the model's name, as KServe has it.
template <typename Request>
absl::Status CheckControl(const Request& request, const inference::RepositoryControl& control) {
  if (!request.model_name().empty()) TENSORFERRY_RETURN_IF_ERROR(CheckRepositoryName(request.repository_name()));
  if (control.callers_control()) return absl::OkStatus();
  return MakeError(
      Reason::kModelNotReady,
      "explicit model load / unload is not allowed: the server was not started with --model-control explicit");
}

absl::Status CheckAllowed(const std::string& parameter, inference::OverridePolicy least,
                          inference::OverridePolicy allowed) {
  if (allowed >= least) return absl::OkStatus();
  return MakeError(Reason::kPermissionDenied,
                   fmt::format("parameter {} is refused: the server was not started with --model-overrides {}",
                               Quote(parameter), least == inference::OverridePolicy::kFiles ? "files" : "config"),
                   {.field = "parameters"});
}

absl::Status BadLoad(const std::string& why) {
  return MakeError(Reason::kInputMismatch, "failed to load: " + why,
                   {.field = "parameters", .expected = "config (string_param), file:VERSION/FILE (bytes_param)"});
}

// Reads what the load overrides.
absl::StatusOr<inference::ModelOverrides> OverridesOf(const triton::RepositoryModelLoadRequest& request,
                                                      inference::OverridePolicy allowed) {
  constexpr std::string_view kFile = "file:";
  inference::ModelOverrides overrides;
  for (const auto& [name, value] : request.parameters()) {
    if (name == "config" && value.has_string_param()) {
      TENSORFERRY_RETURN_IF_ERROR(CheckAllowed(name, inference::OverridePolicy::kConfig, allowed));
      if (value.string_param().empty()) return BadLoad("parameter 'config' is empty, expected JSON");
      overrides.config = value.string_param();
    } else if (name.starts_with(kFile) && value.has_bytes_param()) {
      TENSORFERRY_RETURN_IF_ERROR(CheckAllowed(name, inference::OverridePolicy::kFiles, allowed));
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

}  // namespace

void InferenceService::ServeRepositoryMethods(grpc::ServerCompletionQueue* queue) {
  ServeMethod<&Service::RequestRepositoryIndex, &InferenceService::RepositoryIndex>(queue);
  const bool takes_files = repository_.overrides == inference::OverridePolicy::kFiles;
  ServeMethod<&Service::RequestRepositoryModelLoad, &InferenceService::RepositoryModelLoad>(
      queue, takes_files ? CheckUpload : CheckSmallMessage);
  ServeMethod<&Service::RequestRepositoryModelUnload, &InferenceService::RepositoryModelUnload>(queue);
}

void InferenceService::RepositoryIndex(const triton::RepositoryIndexRequest& request,
                                       triton::RepositoryIndexResponse& response, const Done& done) {
  if (const absl::Status status = CheckRepositoryName(request.repository_name()); !status.ok()) return done(status);
  repository_.control.ListRepository([&request, &response, done](const auto& entries) {
    if (entries.ok()) response = IndexOf(*entries, request.ready());
    done(entries.status());
  });
}

void InferenceService::RepositoryModelLoad(const triton::RepositoryModelLoadRequest& request,
                                           triton::RepositoryModelLoadResponse&, const Done& done) {
  auto overrides = OverridesOf(request, repository_.overrides);
  absl::Status status = CheckControl(request, repository_.control);
  if (status.ok()) status = overrides.status();
  if (!status.ok()) return done(status);
  const std::string name = ModelNameOf(request);
  repository_.control.LoadModel(name, *std::move(overrides),
                                {.check = [done] { return done.CheckCaller(); },
                                 .done = [name, done](const absl::Status& loaded) { done(EndOfLoad(name, loaded)); }});
}

void InferenceService::RepositoryModelUnload(const triton::RepositoryModelUnloadRequest& request,
                                             triton::RepositoryModelUnloadResponse&, const Done& done) {
  if (const absl::Status status = CheckControl(request, repository_.control); !status.ok()) return done(status);
  repository_.control.UnloadModel(ModelNameOf(request), {.check = [done] { return done.CheckCaller(); }, .done = done});
}

}  // namespace tensorferry::rpc
