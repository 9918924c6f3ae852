#include "config/setting.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include "base/text.h"
#include "config/value_kind.h"

namespace tensorferry::config {
namespace {

constexpr std::uint64_t kKiB = 1 << 10;
constexpr std::uint64_t kPiB = 1ULL << 50;

constexpr auto kLogLevels = std::to_array<std::string_view>({"trace", "debug", "info", "warning", "error", "off"});
static_assert(kLogLevels.size() == static_cast<std::size_t>(LogLevel::kOff) + 1);
constexpr auto kModelControls = std::to_array<std::string_view>({"none", "explicit", "poll"});
static_assert(kModelControls.size() == static_cast<std::size_t>(inference::ModelControl::kPoll) + 1);
constexpr auto kModelOverrides = std::to_array<std::string_view>({"off", "config", "files"});
static_assert(kModelOverrides.size() == static_cast<std::size_t>(inference::OverridePolicy::kFiles) + 1);
constexpr auto kSharedMemories = std::to_array<std::string_view>({"off", "system", "cuda", "all"});
static_assert(kSharedMemories.size() == static_cast<std::size_t>(SharedMemory::kAll) + 1);
constexpr auto kSealedMemories = std::to_array<std::string_view>({"auto", "on", "off"});
static_assert(kSealedMemories.size() == static_cast<std::size_t>(SealedMemory::kOff) + 1);
constexpr auto kAccessLogs = std::to_array<std::string_view>({"off", "sampled", "all"});
static_assert(kAccessLogs.size() == static_cast<std::size_t>(AccessLog::kAll) + 1);
constexpr auto kLogFormats = std::to_array<std::string_view>({"text", "json"});
static_assert(kLogFormats.size() == static_cast<std::size_t>(LogFormat::kJson) + 1);

constexpr SizeKind kMemory{.min = kKiB, .max = kPiB};
// The maximum is gRPC's own: it stores the limit in an int.
constexpr SizeKind kMessage{.min = 64 * kKiB, .max = std::numeric_limits<std::int32_t>::max()};
constexpr CountKind kThreads{.min = 1, .max = 1024};
constexpr CountKind kPercent{.min = 1, .max = 100};
constexpr DurationKind kDrain{.max = std::chrono::hours(24)};
constexpr DurationKind kInterval{.min = std::chrono::milliseconds(10), .max = std::chrono::hours(24)};
constexpr ChoiceKind<inference::ModelControl> kControl{.names = {kModelControls}};
constexpr ChoiceKind<inference::OverridePolicy> kOverrides{.names = {kModelOverrides}};
constexpr ChoiceKind<inference::Isolation> kIsolation{.names = {inference::kIsolations}};
constexpr ChoiceKind<SharedMemory> kMemoryOfCallers{.names = {kSharedMemories}};
constexpr ChoiceKind<SealedMemory> kSealed{.names = {kSealedMemories}};
constexpr ChoiceKind<LogLevel> kLevel{.names = {kLogLevels}};
constexpr ChoiceKind<LogFormat> kFormat{.names = {kLogFormats}};
constexpr ChoiceKind<AccessLog> kAccess{.names = {kAccessLogs}};

template <ValueKind Kind>
absl::Status Refuse(const Kind& kind, const std::string& text) {
  return absl::InvalidArgumentError(Unexpected(kind.Expected(), text, MeantBy(kind, text)));
}

// Makes a setting with one value, which is stored in `field`.
template <ValueKind Kind>
Setting One(Flag flag, typename Kind::Value Config::*field, Kind kind, std::string_view computed_default = "") {
  return {
      .flag = flag,
      .computed_default = computed_default,
      .repeatable = false,
      .is_switch = std::is_same_v<Kind, SwitchKind>,
      .set = [=](const std::vector<std::string>& texts, Config& config) -> absl::Status {
        const auto value = kind.Parse(texts.front());
        if (!value) return Refuse(kind, texts.front());
        config.*field = *value;
        return absl::OkStatus();
      },
      .get = [=](const Config& config) -> std::vector<std::string> { return {kind.Format(config.*field)}; },
  };
}

bool Clash(const inference::NamedFile& a, const inference::NamedFile& b) { return a.name == b.name; }
bool Clash(const std::string& a, const std::string& b) { return a == b && !a.ends_with(":0"); }

// Makes a repeatable setting, whose values are stored in `field`. There must be at least `min_values`, and no two may
// clash.
template <ValueKind Kind>
Setting Many(Flag flag, std::vector<typename Kind::Value> Config::*field, Kind kind, std::size_t min_values) {
  return {
      .flag = flag,
      .computed_default = "",
      .repeatable = true,
      .is_switch = false,
      .set = [=](const std::vector<std::string>& texts, Config& config) -> absl::Status {
        if (texts.size() < min_values) {
          return absl::InvalidArgumentError(fmt::format("expected at least {}, got {}", min_values, texts.size()));
        }
        std::vector<typename Kind::Value> values;
        for (const std::string& text : texts) {
          const auto value = kind.Parse(text);
          if (!value) return Refuse(kind, text);
          if (std::ranges::any_of(values, [&](const auto& other) { return Clash(*value, other); })) {
            return absl::InvalidArgumentError(Unexpected("each only once", text));
          }
          values.push_back(*value);
        }
        config.*field = std::move(values);
        return absl::OkStatus();
      },
      .get = [=](const Config& config) -> std::vector<std::string> {
        std::vector<std::string> texts;
        for (const auto& value : config.*field) texts.push_back(kind.Format(value));
        return texts;
      },
  };
}

}  // namespace

// NOLINTNEXTLINE(readability-function-size): a table, which nothing is gained by cutting.
const std::vector<Setting>& Settings() {
  static const std::vector<Setting> settings = {
      Many({"listen", "ADDRESS", "gRPC address: HOST:PORT, where port 0 is any free port, or unix:PATH"},
           &Config::listen, AddressKind{}, 1),
      One({"admin-listen", "ADDRESS", "HTTP address for operators: health, settings, metrics; HOST:PORT, or off"},
          &Config::admin_listen, AdminAddressKind{}),
      One({"http-listen", "ADDRESS", "HTTP address for callers: the Open Inference Protocol; HOST:PORT, or off"},
          &Config::http_listen, AdminAddressKind{}),
      Many({"http-origin", "ORIGIN", "origin of pages that may call --http-listen through a browser, or * for all"},
           &Config::http_origin, OriginKind{}, 0),
      One({"http-gzip", "on|off", "take bodies in gzip and deflate on --http-listen, and answer so who asks for it"},
          &Config::http_gzip, SwitchKind{}),
      Many({"admin-host", "HOST", "further host for which local HTTP addresses answer without tokens and TLS"},
           &Config::admin_host, HostKind{}, 0),
      One({"unix-mode", "MODE", "mode of the files of unix: addresses, as 0660: who may write there may call"},
          &Config::unix_mode, ModeKind{}, "what the umask leaves"),
      One({"unix-group", "GROUP", "group of the files of unix: addresses, by name or number"}, &Config::unix_group,
          PathKind{}),
      One({"tls-cert", "FILE", "PEM certificate chain, the server's own first: TCP addresses speak TLS alone"},
          &Config::tls_cert, PathKind{}),
      One({"tls-key", "FILE", "PEM private key of --tls-cert"}, &Config::tls_key, PathKind{}),
      One({"tls-client-ca", "FILE",
           "PEM certificates: callers over TCP need a certificate that one of them has signed"},
          &Config::tls_client_ca, PathKind{}),
      One({"auth-token-file", "FILE", "lines of ROLE TOKEN (infer, admin, metrics): callers need one of the tokens"},
          &Config::auth_token_file, PathKind{}),
      One({"allow-open", "on|off",
           "serve other machines without TLS and tokens: whoever can reach the address may call"},
          &Config::allow_open, SwitchKind{}),
      One({"model-dir", "FOLDER", "model repository: NAME/VERSION/model.pt, NAME.pt2 and the like", "model-repository"},
          &Config::model_dir, PathKind{}),
      Many({"model", "NAME=FILE", "model file to serve under NAME"}, &Config::models, ModelKind{}, 0),
      One({"model-control", "CONTROL",
           "who loads models: none; explicit (callers); poll (the server, when the repository changes)"},
          &Config::model_control, kControl),
      One({"model-poll-interval", "TIME", "with --model-control poll: time between two looks at the repository"},
          &Config::model_poll_interval, kInterval),
      Many({"load-model", "NAME", "model to load at the start; * for all, none for no model"}, &Config::load_model,
           LoadModelKind{}, 1),
      One({"strict-start", "on|off", "exit if a model fails to load at the start, instead of serving the others"},
          &Config::strict_start, SwitchKind{}),
      One({"model-overrides", "WHAT",
           "what a caller's load may override: off, config, or files (the server runs their code)"},
          &Config::model_overrides, kOverrides),
      One({"device", "DEVICE", "where models run: cpu, cuda or cuda:N"}, &Config::device, DeviceKind{}),
      One({"isolation", "KIND",
           "process: each model runs in processes of its own, and a crash costs its request alone; or none"},
          &Config::isolation, kIsolation),
      One({"max-message-bytes", "SIZE", "largest gRPC message, either way"}, &Config::max_message_bytes, kMessage),
      One({"max-tensor-bytes", "SIZE", "largest array or output"}, &Config::max_tensor_bytes, kMemory),
      One({"memory-budget", "SIZE", "most bytes of all arrays in flight, and of answers until they are sent"},
          &Config::memory_budget, kMemory, "half of the memory the process may use"),
      One({"peer-share", "PERCENT",
           "most of the memory budget that one peer may hold while others wait for room; 100: all"},
          &Config::peer_share, kPercent),
      One({"receive-budget", "SIZE", "about the most bytes of all messages while they are received"},
          &Config::receive_budget, kMemory, "a fifth of the memory the process may use"),
      One({"shared-memory", "KIND",
           "take arrays from memory that callers register: system (POSIX shared memory); cuda (of GPUs); all; or off"},
          &Config::shared_memory, kMemoryOfCallers),
      One({"sealed-memory", "WHEN",
           "take arrays in sealed memory from callers of unix: addresses: on; auto (where it can be); or off"},
          &Config::sealed_memory, kSealed),
      One({"threads", "N", "threads that serve calls"}, &Config::threads, kThreads,
          "1 on one or two cores, else the cores the process may use"),
      One({"model-threads", "N", "executors of a model whose configuration sets no number"}, &Config::model_threads,
          kThreads, "the cores the process may use"),
      One({"intra-op-threads", "N", "threads of torch within one operator"}, &Config::intra_op_threads, kThreads),
      One({"idle-timeout", "TIME", "end calls whose caller stops sending within a request, or reading; 0s: never"},
          &Config::idle_timeout, kDrain),
      One({"max-connection-idle", "TIME", "close connections that have had no call for this long; 0s: never"},
          &Config::max_connection_idle, kDrain),
      One({"max-connection-age", "TIME", "ask callers to connect anew after this long; 0s: never"},
          &Config::max_connection_age, kDrain),
      One({"max-connection-age-grace", "TIME", "then end their calls after this long; 0s: never"},
          &Config::max_connection_age_grace, kDrain),
      One({"self-check", "TIME", "how often the server connects to itself, and ends if it cannot; 0s: never"},
          &Config::self_check, kDrain),
      One({"drain-delay", "TIME", "after SIGTERM, keep serving as not ready for this long"}, &Config::drain_delay,
          kDrain),
      One({"drain-grace", "TIME", "then let running calls finish for at most this long"}, &Config::drain_grace, kDrain),
      One({"log-level", "LEVEL", "least severe log line: trace, debug, info, warning, error or off"},
          &Config::log_level, kLevel),
      One({"log-format", "FORMAT", "text, or json for machines"}, &Config::log_format, kFormat),
      One({"access-log", "WHICH", "requests with a line in the log: all; sampled, at most ten a second; or off"},
          &Config::access_log, kAccess),
      One({"compression", "on|off", "accept compressed requests, which may cost far more memory than they are long"},
          &Config::compression, SwitchKind{}),
      One({"reflection", "on|off", "answer gRPC server reflection"}, &Config::reflection, SwitchKind{}),
  };
  return settings;
}

const Setting* FindSetting(std::string_view name) {
  const auto setting = std::ranges::find_if(Settings(), [&](const Setting& each) {
    return each.flag.name == name || (!name.empty() && each.flag.alias == name);
  });
  return setting == Settings().end() ? nullptr : &*setting;
}

}  // namespace tensorferry::config
