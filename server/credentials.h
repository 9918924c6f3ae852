#pragma once

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "config/config.h"
#include "security/reloaded.h"
#include "security/tls_material.h"
#include "security/tokens.h"
#include "service_manager.h"
#include "stop_signals.h"

namespace tensorferry {

// Credentials holds what the server has read from files of secrets.
// Threads: one; the values that it hands out are for any thread.
class Credentials {
 public:
  // Errors: INVALID_ARGUMENT, with a line that says which file cannot be used, and why.
  static absl::StatusOr<Credentials> Load(const config::Config& config);

  // These functions return null if there is no such file.
  const security::Reloaded<security::TlsMaterial>* tls() const { return tls_.get(); }
  const security::Reloaded<security::Tokens>* tokens() const { return tokens_.get(); }

  // Waits as StopSignals::Wait does. Meanwhile it takes changed files into use, within a second of a change, and at
  // once when SIGHUP comes, of which it tells `manager`, and which then calls `on_hang_up`, too. It returns SIGHUP only
  // if there are neither such files nor a function.
  int WaitForStop(const StopSignals& signals, const ServiceManager& manager, const std::function<void()>& on_hang_up);

 private:
  std::unique_ptr<security::Reloaded<security::TlsMaterial>> tls_;
  std::unique_ptr<security::Reloaded<security::Tokens>> tokens_;
};

}  // namespace tensorferry
