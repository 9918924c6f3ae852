#include "credentials.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <csignal>

#include "base/status.h"

namespace tensorferry {
namespace {

// To read some small files takes a fraction of a millisecond, so that nothing has to tell that they have changed.
constexpr std::chrono::milliseconds kReloadInterval{500};

using ReloadedTls = security::Reloaded<security::TlsMaterial>;
using ReloadedTokens = security::Reloaded<security::Tokens>;

absl::StatusOr<std::unique_ptr<ReloadedTls>> LoadTls(const config::Config& config) {
  if (config.tls_cert.empty()) return nullptr;
  const security::TlsFiles files{
      .certificate = config.tls_cert, .key = config.tls_key, .client_ca = config.tls_client_ca};
  return ReloadedTls::Load({.name = "TLS",
                            .read = [files] { return security::ReadTlsMaterial(files); },
                            .check = [files](const auto& read) { return security::CheckTlsMaterial(files, read); },
                            .describe = security::DescribeTlsMaterial});
}

absl::StatusOr<std::unique_ptr<ReloadedTokens>> LoadTokens(const config::Config& config) {
  if (config.auth_token_file.empty()) return nullptr;
  return ReloadedTokens::Load({.name = "tokens",
                               .read = [file = config.auth_token_file] { return security::ReadTokens(file); },
                               .check = [](const auto&) { return absl::OkStatus(); },
                               .describe = [](const auto& tokens) { return fmt::format("{} known", tokens.size()); }});
}

}  // namespace

absl::StatusOr<Credentials> Credentials::Load(const config::Config& config) {
  Credentials credentials;
  TENSORFERRY_ASSIGN_OR_RETURN(credentials.tls_, LoadTls(config));
  TENSORFERRY_ASSIGN_OR_RETURN(credentials.tokens_, LoadTokens(config));
  return credentials;
}

int Credentials::WaitForStop(const StopSignals& signals, const ServiceManager& manager,
                             const std::function<void()>& on_hang_up) {
  const bool has_files = tls_ != nullptr || tokens_ != nullptr;
  while (true) {
    const int signal = has_files ? signals.WaitFor(kReloadInterval) : signals.Wait();
    const bool reads_again = signal == SIGHUP && (has_files || on_hang_up);
    if (signal != StopSignals::kTimedOut && !reads_again) return signal;
    if (reads_again) manager.TellReloading();
    if (reads_again && has_files) spdlog::info("SIGHUP: reading certificates and tokens again");
    if (tls_ != nullptr) tls_->Reload();
    if (tokens_ != nullptr) tokens_->Reload();
    if (reads_again && on_hang_up) on_hang_up();
    if (reads_again) manager.TellReloaded();
  }
}

}  // namespace tensorferry
