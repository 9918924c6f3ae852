#pragma once

#include <boost/asio/ssl/context.hpp>
#include <cstdint>
#include <memory>

#include "security/reloaded.h"
#include "security/tls_material.h"

namespace tensorferry::http {

// TlsContexts makes OpenSSL's context of the certificate that is in use. A new certificate is served to the next
// connection, and open ones go on.
class TlsContexts {
 public:
  // Borrows `material`.
  explicit TlsContexts(const security::Reloaded<security::TlsMaterial>& material) : material_(material) {}

  // Throws boost::system::system_error if OpenSSL does not take what CheckTlsMaterial has taken.
  std::shared_ptr<boost::asio::ssl::context> Current();

 private:
  const security::Reloaded<security::TlsMaterial>& material_;
  std::uint64_t version_ = 0;
  std::shared_ptr<boost::asio::ssl::context> context_;
};

// Returns whether the peer has shown a certificate. The handshake fails for one that no CA of clients has signed, and
// goes on for a peer that has none: probes have none, and Router asks it of all others.
bool HasCertificate(SSL* connection);

}  // namespace tensorferry::http
