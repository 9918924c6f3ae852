#include "inference/repository/source_config.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/status.h"
#include "inference/engine/model_file.h"
#include "inference/engine/model_parameters.h"

namespace tensorferry::inference {
namespace {

constexpr std::size_t kMaxConfigBytes = 1 << 20;

absl::StatusOr<std::string> TextOfConfig(const ModelSource& source) {
  if (source.config.empty()) return "";
  TENSORFERRY_ASSIGN_OR_RETURN(const ModelFile file, ModelFile::Open(source.config, source.root));
  return file.Read(kMaxConfigBytes);
}

}  // namespace

absl::StatusOr<ModelConfig> ReadSourceConfig(const ModelSource& source, const std::string& overrides,
                                             const ConfigReader& read) {
  if ((source.config.empty() && overrides.empty()) || !read) return ModelConfig{};
  const auto text = TextOfConfig(source);
  if (!text.ok()) {
    const Failure failure = DescribeError(text.status());
    return MakeError(Reason::kModelNotReady, "config.pbtxt: " + failure.message, {.log_text = failure.log_text});
  }
  TENSORFERRY_ASSIGN_OR_RETURN(ModelConfig config, read(*text, overrides));
  if (!config.name.empty() && config.name != source.name) {
    return MakeError(Reason::kModelNotReady, fmt::format("config.pbtxt: the name is {}, but the folder's is {}",
                                                         Quote(config.name), Quote(source.name)));
  }
  return config;
}

void LogIgnored(const std::string& model, const ModelConfig& config) {
  for (const std::string& field : config.ignored) {
    spdlog::warn("model {}: config.pbtxt: {} is not honoured", model, field);
  }
  for (const std::string& parameter : IgnoredParameters(config)) {
    spdlog::warn("model {}: config.pbtxt: parameter {} is not honoured", model, Quote(parameter));
  }
}

}  // namespace tensorferry::inference
