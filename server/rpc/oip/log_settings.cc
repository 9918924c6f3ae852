#include "rpc/oip/log_settings.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <string>

#include "base/status.h"
#include "rpc/triton_config/triton_proto.h"

namespace tensorferry::rpc {
namespace {

using Value = triton::LogSettingsRequest::SettingValue;

// Levels are the four switches with which the protocol says what spdlog says with one level.
struct Levels {
  bool info, warning, error;
  std::uint32_t verbose;

  static Levels Current() {
    const auto level = spdlog::get_level();
    const auto logs = [&](spdlog::level::level_enum least) { return level <= least; };
    const std::uint32_t verbose = level == spdlog::level::trace ? 2 : level == spdlog::level::debug ? 1 : 0;
    return {logs(spdlog::level::info), logs(spdlog::level::warn), logs(spdlog::level::err), verbose};
  }

  void Apply() const {
    if (verbose > 0) return spdlog::set_level(verbose > 1 ? spdlog::level::trace : spdlog::level::debug);
    spdlog::set_level(info      ? spdlog::level::info
                      : warning ? spdlog::level::warn
                      : error   ? spdlog::level::err
                                : spdlog::level::off);
  }
};

constexpr char kFormat[] = "ISO8601";

absl::Status Refuse(const std::string& name, const std::string& expected) {
  return MakeError(Reason::kInputMismatch, fmt::format("log setting {}: expected {}", Quote(name), expected),
                   {.field = "settings", .expected = expected});
}

absl::Status Read(const std::string& name, const Value& value, Levels& levels) {
  const auto read_bool = [&](bool& level) {
    if (!value.has_bool_param()) return Refuse(name, "a bool (bool_param)");
    level = value.bool_param();
    return absl::OkStatus();
  };
  if (name == "log_info") return read_bool(levels.info);
  if (name == "log_warning") return read_bool(levels.warning);
  if (name == "log_error") return read_bool(levels.error);
  if (name == "log_verbose_level") {
    if (!value.has_uint32_param()) return Refuse(name, "a number (uint32_param): 0, 1 or 2");
    levels.verbose = std::min(value.uint32_param(), 2U);
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

absl::Status CheckThreshold(const Levels& levels) {
  if ((levels.verbose > 0 && !levels.info) || (levels.info && !levels.warning) || (levels.warning && !levels.error)) {
    return Refuse("log_info, log_warning, log_error",
                  "a threshold: a level can only be on if every more severe level is on");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ChangeLogSettings(const triton::LogSettingsRequest& request, triton::LogSettingsResponse& response) {
  Levels levels = Levels::Current();
  for (const auto& [name, value] : request.settings()) TENSORFERRY_RETURN_IF_ERROR(Read(name, value, levels));
  TENSORFERRY_RETURN_IF_ERROR(CheckThreshold(levels));
  if (request.settings_size() > 0) levels.Apply();
  auto& settings = *response.mutable_settings();
  settings["log_info"].set_bool_param(levels.info);
  settings["log_warning"].set_bool_param(levels.warning);
  settings["log_error"].set_bool_param(levels.error);
  settings["log_verbose_level"].set_uint32_param(levels.verbose);
  settings["log_format"].set_string_param(kFormat);
  settings["log_file"].set_string_param("");
  return absl::OkStatus();
}

}  // namespace tensorferry::rpc
