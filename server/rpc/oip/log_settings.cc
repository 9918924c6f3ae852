#include "rpc/oip/log_settings.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cstdint>
#include <string>

#include "base/status.h"
#include "base/switched_logger.h"
#include "rpc/triton_config/triton_proto.h"

namespace tensorferry::rpc {
namespace {

using Levels = SwitchedLogger::Levels;
using Value = triton::LogSettingsRequest::SettingValue;

// Each setting of the protocol switches levels of its own.
constexpr Levels kInfo = SwitchedLogger::Only(spdlog::level::info);
constexpr Levels kWarning = SwitchedLogger::Only(spdlog::level::warn);
constexpr Levels kError = SwitchedLogger::From(spdlog::level::err);
constexpr Levels kVerbose1 = SwitchedLogger::Only(spdlog::level::debug);
constexpr Levels kVerbose2 = SwitchedLogger::Only(spdlog::level::trace);

constexpr char kFormat[] = "ISO8601";

// Changes are the levels that a request switches, and which of them it switches on.
struct Changes {
  Levels changed = 0;
  Levels on = 0;

  void Switch(Levels levels, bool to_on) {
    changed |= levels;
    if (to_on) on |= levels;
  }
};

absl::Status Refuse(const std::string& name, const std::string& expected) {
  return MakeError(Reason::kInputMismatch, fmt::format("log setting {}: expected {}", Quote(name), expected),
                   {.field = "settings", .expected = expected});
}

absl::Status Read(const std::string& name, const Value& value, Changes& changes) {
  const auto read_bool = [&](Levels levels) {
    if (!value.has_bool_param()) return Refuse(name, "a bool (bool_param)");
    changes.Switch(levels, value.bool_param());
    return absl::OkStatus();
  };
  if (name == "log_info") return read_bool(kInfo);
  if (name == "log_warning") return read_bool(kWarning);
  if (name == "log_error") return read_bool(kError);
  if (name == "log_verbose_level") {
    if (!value.has_uint32_param()) return Refuse(name, "a number (uint32_param): 0, 1 or 2");
    changes.Switch(kVerbose1, value.uint32_param() >= 1);
    changes.Switch(kVerbose2, value.uint32_param() >= 2);
    return absl::OkStatus();
  }
  if (name == "log_format") {
    if (value.string_param() != kFormat) return Refuse(name, fmt::format("{}, the only one", kFormat));
    return absl::OkStatus();
  }
  if (name == "log_file") {
    if (value.string_param().empty()) return absl::OkStatus();
    return MakeError(Reason::kOperatorUnsupported,
                     "log file can not be updated through network protocol: the log goes "
                     "to standard error");
  }
  return Refuse(name, "log_info, log_warning, log_error, log_verbose_level or log_format");
}

}  // namespace

absl::Status ChangeLogSettings(const triton::LogSettingsRequest& request, triton::LogSettingsResponse& response) {
  auto* const logger = dynamic_cast<SwitchedLogger*>(spdlog::default_logger_raw());
  if (logger == nullptr) return MakeError(Reason::kInternal, "the log has no switches");
  Changes changes;
  for (const auto& [name, value] : request.settings()) TENSORFERRY_RETURN_IF_ERROR(Read(name, value, changes));
  const Levels levels = changes.changed == 0 ? logger->levels() : logger->Switch(changes.on, changes.changed);
  auto& settings = *response.mutable_settings();
  settings["log_info"].set_bool_param((levels & kInfo) != 0);
  settings["log_warning"].set_bool_param((levels & kWarning) != 0);
  settings["log_error"].set_bool_param((levels & kError) != 0);
  settings["log_verbose_level"].set_uint32_param((levels & kVerbose2) != 0 ? 2 : (levels & kVerbose1) != 0 ? 1 : 0);
  settings["log_format"].set_string_param(kFormat);
  settings["log_file"].set_string_param("");
  return absl::OkStatus();
}

}  // namespace tensorferry::rpc
