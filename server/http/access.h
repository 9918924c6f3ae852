// Who may ask for a route: the rules are those of the gRPC port (docs/adr/0020).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "http/message.h"
#include "security/reloaded.h"
#include "security/tokens.h"

namespace tensorferry::http {

// AccessPolicy says how peers show who they are.
struct AccessPolicy {
  // The tokens of which a peer must bring one. Borrowed; null: nobody is asked for a token.
  const security::Reloaded<security::Tokens>* tokens = nullptr;
  bool certificates = false;  // Whether a peer must show a certificate that a CA of clients has signed.
  // Whether a request must name a loopback host or one of `hosts` in its Host field, as one does that is meant for this
  // port. A page of another site, whose name was made to mean this machine, asks through the browser for its own host.
  bool local_hosts = false;
  std::vector<std::string> hosts{};
};

// Returns the refusal of a request for what is for `roles`, or nothing if the peer may have it. Without roles everybody
// may, without token and certificate, and by any host: those who probe have none.
std::optional<Response> RefuseAccess(const AccessPolicy& policy, security::Roles roles, const Request& request);

}  // namespace tensorferry::http
