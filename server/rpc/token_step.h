#pragma once

#include "rpc/access_rules.h"
#include "rpc/serve/call_chain.h"
#include "security/reloaded.h"
#include "security/tokens.h"

namespace tensorferry::rpc {

// TokenStep refuses callers whose token does not let them call the method. The token comes with every call, as
// `authorization: Bearer TOKEN`.
class TokenStep final : public CallStep {
 public:
  // Borrows `tokens`.
  explicit TokenStep(const security::Reloaded<security::Tokens>& tokens) : tokens_(tokens) {}

  // Errors: UNAUTHENTICATED, PERMISSION_DENIED.
  absl::Status Enter(CallInfo& call) const override;

 private:
  const security::Tokens& Current() const;

  const security::Reloaded<security::Tokens>& tokens_;
  const AccessTable table_;
};

}  // namespace tensorferry::rpc
