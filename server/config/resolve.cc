#include "config/resolve.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/status.h"
#include "base/text.h"
#include "config/command_line.h"
#include "config/describe.h"
#include "config/open_address.h"
#include "config/raw_values.h"
#include "config/setting.h"
#include "config/toml_file.h"

namespace tensorferry::config {
namespace {

Exit Fail(ExitCode code, const absl::Status& error) {
  return {code, fmt::format("tensorferry-server: {}\n", OneLine(std::string(error.message())))};
}

// Reads the file that is named in the first of `layers` that names a file. Returns no settings if none does.
absl::StatusOr<RawValues> ReadConfigFile(std::initializer_list<const RawValues*> layers) {
  for (const RawValues* layer : layers) {
    if (const auto path = layer->find(kConfigFlag); path != layer->end())
      return ReadTomlFile(path->second.texts.back());
  }
  return RawValues{};
}

// Takes every setting that `layer` has and no earlier layer had.
absl::Status Apply(const RawValues& layer, Resolved& resolved) {
  for (const Setting& setting : Settings()) {
    const auto value = layer.find(setting.flag.name);
    if (value == layer.end() || resolved.sources.contains(setting.flag.name)) continue;
    if (const absl::Status error = setting.set(value->second.texts, resolved.config); !error.ok()) {
      return absl::InvalidArgumentError(
          fmt::format("{}: {} (from {})", setting.flag.name, std::string(error.message()), value->second.source));
    }
    resolved.sources[setting.flag.name] = value->second.source;
  }
  return absl::OkStatus();
}

absl::Status CheckOpenAddresses(const Config& config) {
  const bool guarded = !config.tls_cert.empty() || !config.auth_token_file.empty();
  if (guarded || config.allow_open) return absl::OkStatus();
  const auto refuse = [](std::string_view setting, std::string_view address, std::string_view what) {
    return absl::InvalidArgumentError(
        fmt::format("{} {}: other machines could reach it, and whoever can may {}; set tls-cert and tls-key, "
                    "auth-token-file, or allow-open if that is meant",
                    setting, address, what));
  };
  const auto open = std::ranges::find_if(config.listen, IsOpenAddress);
  if (open != config.listen.end()) {
    return refuse("listen", *open, "run models and read what is sent in the clear");
  }
  if (IsOpenAddress(config.admin_listen)) {
    return refuse("admin-listen", config.admin_listen, "read the server's settings and what it does");
  }
  if (IsOpenAddress(config.http_listen)) {
    return refuse("http-listen", config.http_listen, "run models and read what is sent in the clear");
  }
  return absl::OkStatus();
}

// Checks what no setting says alone.
absl::Status CheckTogether(const Config& config) {
  if (config.tls_cert.empty() != config.tls_key.empty()) {
    return absl::InvalidArgumentError(fmt::format("tls-cert and tls-key are set together or not at all; {} is missing",
                                                  config.tls_cert.empty() ? "tls-cert" : "tls-key"));
  }
  if (!config.tls_client_ca.empty() && config.tls_cert.empty()) {
    return absl::InvalidArgumentError("tls-client-ca asks callers for certificates over TLS; tls-cert is missing");
  }
  return CheckOpenAddresses(config);
}

}  // namespace

std::variant<Resolved, Exit> Resolve(const std::vector<std::string>& args, const Environment& environment,
                                     std::string_view version) {
  const absl::StatusOr<RawValues> flags = ParseCommandLine(args);
  if (!flags.ok()) return Fail(ExitCode::kUsage, flags.status());
  if (flags->contains(kHelpFlag)) return Exit{ExitCode::kOk, HelpText()};
  if (flags->contains(kVersionFlag)) return Exit{ExitCode::kOk, fmt::format("tensorferry-server {}\n", version)};

  Resolved resolved;
  EnvironmentValues variables = ReadEnvironment(environment);
  resolved.warnings = std::move(variables.warnings);
  if (const absl::Status error = Apply(*flags, resolved); !error.ok()) return Fail(ExitCode::kUsage, error);
  if (const absl::Status error = Apply(variables.values, resolved); !error.ok())
    return Fail(ExitCode::kConfiguration, error);
  const absl::StatusOr<RawValues> file = ReadConfigFile({&*flags, &variables.values});
  if (!file.ok()) return Fail(ExitCode::kConfiguration, file.status());
  if (const absl::Status error = Apply(*file, resolved); !error.ok()) return Fail(ExitCode::kConfiguration, error);
  for (const Setting& setting : Settings()) resolved.sources.try_emplace(setting.flag.name, "default");

  if (flags->contains(kPrintConfigFlag)) return Exit{ExitCode::kOk, PrintConfig(resolved)};
  if (const absl::Status error = CheckTogether(resolved.config); !error.ok())
    return Fail(ExitCode::kConfiguration, error);
  return resolved;
}

}  // namespace tensorferry::config
