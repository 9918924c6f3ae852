#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tensorferry::security {

// TlsFiles holds the paths of PEM files. An empty path: there is no such file.
struct TlsFiles {
  std::string certificate;
  std::string key;
  std::string client_ca;
};

// TlsMaterial holds what the files of TlsFiles hold, as PEM text.
struct TlsMaterial {
  std::string certificate_chain;  // The server's certificate first, then those that vouch for it.
  std::string key;                // The private key of the server's certificate. A secret.
  std::string client_ca;          // Who may vouch for clients. Empty: clients need no certificate.

  bool operator==(const TlsMaterial&) const = default;
};

// Reads the files, and checks nothing that is in them.
// Errors: those of ReadSecretFile.
absl::StatusOr<TlsMaterial> ReadTlsMaterial(const TlsFiles& files);

// Checks that OpenSSL takes the material: the chain parses whole, the server's certificate is valid at this time, the
// key is its key and has no passphrase, both are strong enough for OpenSSL's security level, and one of the client CAs
// at least is valid at this time. `files` is for the messages.
// Errors: INVALID_ARGUMENT, with flag, path and problem. No message holds a byte of a key.
absl::Status CheckTlsMaterial(const TlsFiles& files, const TlsMaterial& material);

// Returns when the server's certificate ends to be valid; nothing if it does not say.
std::optional<std::chrono::system_clock::time_point> ExpiryOf(const TlsMaterial& material);

// Returns a text for the log, of material that CheckTlsMaterial takes: "certificate 0A1B, valid until 2026-11-28
// 21:00:00 UTC".
std::string DescribeTlsMaterial(const TlsMaterial& material);

}  // namespace tensorferry::security
