#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace tensorferry::client {

// TlsOptions says how a client makes sure of the server, and shows itself. Each text is in PEM form.
struct TlsOptions {
  std::string ca;           // The certificates that may vouch for the server. Empty: those that the system trusts.
  std::string certificate;  // The client's own chain, for servers that ask for one. Empty: the client has none.
  std::string key;          // The private key of `certificate`.
};

// TlsFiles holds the paths of the files with these texts. An empty path: there is no such file.
struct TlsFiles {
  std::string ca;
  std::string certificate;
  std::string key;
};

// ReadTlsFiles reads the texts.
// Errors: INVALID_ARGUMENT for a certificate without a key or a key without a certificate, and for a file that cannot be
//         read or holds no such text.
absl::StatusOr<TlsOptions> ReadTlsFiles(const TlsFiles& files);

}  // namespace tensorferry::client
