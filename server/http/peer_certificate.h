#pragma once

#include <openssl/ssl.h>

#include <string>

namespace tensorferry::http {

// Returns how the certificate that the peer has shown names it, as gRPC's port does: the first URI of its subject's
// alternative names, else the first of the others, else the common name. Empty: it has shown none.
std::string CertificateName(SSL* connection);

}  // namespace tensorferry::http
