#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "config/host.h"
#include "inference/repository_settings.h"

namespace tensorferry::config {

enum class LogLevel : std::uint8_t { kTrace, kDebug, kInfo, kWarning, kError, kOff };
enum class LogFormat : std::uint8_t { kText, kJson };

enum class AccessLog : std::uint8_t { kOff, kSampled, kAll };

enum class SharedMemory : std::uint8_t { kOff, kSystem, kCuda, kAll };

enum class SealedMemory : std::uint8_t { kAuto, kOn, kOff };

// Config holds the settings with which the server runs. The initialisers are the defaults. setting.cc gives each
// setting its name, its limits, and how it is read.
struct Config {
  std::vector<std::string> listen = {"127.0.0.1:8001"};  // HOST:PORT or unix:PATH.
  std::string admin_listen = "127.0.0.1:8002";           // HOST:PORT or "off".
  std::string http_listen = "off";                       // HOST:PORT or "off".
  std::vector<std::string> http_origin;                  // Of pages that may call over HTTP.
  bool http_gzip = false;                                // Whether bodies over HTTP may be packed.
  std::vector<std::string> admin_host;                   // Further hosts for which the admin port answers.
  int unix_mode = -1;      // The mode of the files of unix: addresses. -1: what the umask leaves.
  std::string unix_group;  // Their group. Empty: the process's own.
  std::string model_dir;   // Empty: no repository.
  std::vector<inference::NamedFile> models;
  inference::ModelControl model_control = inference::ModelControl::kNone;
  std::chrono::milliseconds model_poll_interval{5'000};
  std::vector<std::string> load_model = {"*"};  // Names of models, "*" or "none".
  bool strict_start = false;
  std::string device = "cpu";  // "cpu", "cuda" or "cuda:N".
  inference::Isolation isolation = inference::Isolation::kNone;

  std::uint64_t max_message_bytes = 64ULL << 20;
  std::uint64_t max_tensor_bytes = 8ULL << 30;
  std::uint64_t memory_budget = UsableMemoryBytes() / 2;
  int peer_share = 75;  // Percent of memory_budget; 100: all.
  std::uint64_t receive_budget = UsableMemoryBytes() / 5;

  // On two cores, handing work over to a second serving thread costs more than that thread brings.
  int threads = UsableCores() <= 2 ? 1 : UsableCores();
  int model_threads = UsableCores();
  int intra_op_threads = 1;

  std::chrono::milliseconds idle_timeout{60'000};               // 0: none.
  std::chrono::milliseconds max_connection_idle{900'000};       // 0: none.
  std::chrono::milliseconds max_connection_age{0};              // 0: none.
  std::chrono::milliseconds max_connection_age_grace{300'000};  // 0: none.
  std::chrono::milliseconds self_check{10'000};                 // 0: none.
  std::chrono::milliseconds drain_delay{0};
  std::chrono::milliseconds drain_grace{30'000};

  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;
  AccessLog access_log = AccessLog::kSampled;

  SharedMemory shared_memory = SharedMemory::kOff;
  SealedMemory sealed_memory = SealedMemory::kAuto;
  inference::OverridePolicy model_overrides = inference::OverridePolicy::kOff;

  // The paths of PEM files; empty: there is none. A certificate has a key, and client CAs come with a certificate.
  std::string tls_cert;
  std::string tls_key;
  std::string tls_client_ca;

  std::string auth_token_file;  // Empty: callers need no token.
  bool allow_open = false;      // Whether other machines may call without TLS and tokens.

  bool compression = false;
  bool reflection = true;

  bool operator==(const Config&) const = default;
};

}  // namespace tensorferry::config
