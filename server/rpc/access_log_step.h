#pragma once

#include <cstdint>
#include <optional>

#include "rpc/serve/call_chain.h"
#include "rpc/serve/log_limit.h"
#include "rpc/serve/sample_limit.h"

namespace tensorferry::rpc {

// AccessLog says of which requests the access log has a line.
enum class AccessLog : std::uint8_t {
  kOff,
  kSampled,  // Those that SampleLimit admits; and of those that ended with an error, those that LogLimit admits.
  kAll,
};

// AccessLogStep logs one line for a request when it ends: who called what, what became of it, and how long it took. A
// sampled line tells how many came before it without a line. A request without a line costs one atomic addition.
class AccessLogStep final : public CallStep {
 public:
  explicit AccessLogStep(AccessLog which) : which_(which) {}

  void End(const CallInfo& call, const absl::Status& status) const override;

 private:
  std::optional<std::uint64_t> Admit(const CallInfo& call, bool ok) const;

  const AccessLog which_;
  mutable SampleLimit answered_;
  mutable LogLimit failed_;
};

}  // namespace tensorferry::rpc
