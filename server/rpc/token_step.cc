#include "rpc/token_step.h"

#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "rpc/serve/call_metadata.h"

namespace tensorferry::rpc {
namespace {

using security::BearerToken;
using security::Role;
using security::Roles;

constexpr std::string_view kHeader = "authorization";

bool MayCall(const AccessRule* rule, Roles roles) {
  return rule != nullptr && roles.Overlaps(rule->roles | Role::kAdmin);
}

absl::Status Unauthenticated(std::string_view message) {
  return MakeError(Reason::kUnauthenticated, message, {.field = std::string(kHeader), .expected = "Bearer TOKEN"});
}

}  // namespace

// A thread keeps the tokens that it has seen last, so that it takes a lock only after a change.
const security::Tokens& TokenStep::Current() const {
  thread_local std::uint64_t version = 0;
  thread_local std::shared_ptr<const security::Tokens> tokens;
  if (const std::uint64_t now = tokens_.version(); now != version) {
    tokens = tokens_.Get();
    version = now;
  }
  return *tokens;
}

absl::Status TokenStep::Enter(CallInfo& call) const {
  const AccessRule* const rule = table_.Find(call.method);
  if (rule != nullptr && rule->roles.empty()) return absl::OkStatus();
  const std::string_view token = BearerToken(call.caller.Metadata(kHeader));
  if (token.empty()) return Unauthenticated("the call brings no token: send 'authorization: Bearer TOKEN', once");
  const Roles roles = Current().Find(token);
  if (roles.empty()) return Unauthenticated("the token of the call is none of this server's");
  call.role = security::NamesOf(roles);
  if (MayCall(rule, roles)) return absl::OkStatus();
  const std::string_view wanted = security::NamesOf(rule == nullptr ? Roles() : rule->roles);
  return MakeError(
      Reason::kPermissionDenied,
      fmt::format("{} is for the role {}, and the token's role is {}", call.method.name(), wanted, call.role),
      {.field = std::string(kHeader), .expected = std::string(wanted), .actual = std::string(call.role)});
}

}  // namespace tensorferry::rpc
