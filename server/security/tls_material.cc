#include "security/tls_material.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <ctime>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "security/secret_file.h"

namespace tensorferry::security {
namespace {

constexpr std::string_view kCertificateFlag = "tls-cert";
constexpr std::string_view kKeyFlag = "tls-key";
constexpr std::string_view kClientCaFlag = "tls-client-ca";

template <auto kFree>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Bio = std::unique_ptr<BIO, Free<BIO_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Context = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;

// Takes OpenSSL's last error off its list, as text.
std::string OpenSslReason() {
  const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
  std::string text = reason == nullptr ? "OpenSSL gives no reason" : reason;
  ERR_clear_error();
  return text;
}

Bio Reading(const std::string& text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

// A passphrase could only be asked for on a terminal. OpenSSL does that itself unless a function is given.
int NoPassphrase(char*, int, int, void*) { return 0; }

std::size_t Count(std::string_view text, std::string_view word) {
  std::size_t count = 0;
  for (std::size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + word.size())) ++count;
  return count;
}

// Parses all certificates of a PEM text. Other blocks, such as keys, are passed over.
absl::StatusOr<std::vector<Certificate>> ParseCertificates(std::string_view flag, const std::string& path,
                                                           const std::string& text) {
  std::vector<Certificate> certificates;
  const Bio bio = Reading(text);
  while (Certificate certificate{PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr)}) {
    certificates.push_back(std::move(certificate));
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const std::string reason = OpenSslReason();
  // A file that is being written may end within a block, and OpenSSL passes over a block whose first line is cut.
  const bool is_whole = Count(text, "-----BEGIN ") == Count(text, "-----END ");
  if (certificates.empty() && (at_end && is_whole)) return FileError(flag, path, "it holds no certificate in PEM form");
  if (!at_end || !is_whole) {
    return FileError(flag, path,
                     fmt::format("certificate {} of it cannot be parsed: {}", certificates.size() + 1,
                                 at_end ? "its last block does not end" : reason));
  }
  return certificates;
}

absl::StatusOr<Key> ParseKey(const std::string& path, const std::string& text) {
  Key key(PEM_read_bio_PrivateKey(Reading(text).get(), nullptr, NoPassphrase, nullptr));
  const std::string reason = OpenSslReason();
  if (key != nullptr) return key;
  if (text.find("ENCRYPTED") != std::string::npos) {
    return FileError(kKeyFlag, path, "the key is encrypted, and there is nobody to ask for its passphrase");
  }
  return FileError(kKeyFlag, path, fmt::format("it holds no private key in PEM form that can be parsed: {}", reason));
}

std::string TimeText(const ASN1_TIME* time) {
  std::tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", parts) : "a time it does not say";
}

// Returns what is wrong with the certificate at this time, or nothing.
std::string TimeProblem(const X509* certificate) {
  const ASN1_TIME* const begin = X509_get0_notBefore(certificate);
  const ASN1_TIME* const end = X509_get0_notAfter(certificate);
  if (X509_cmp_current_time(begin) >= 0) return fmt::format("is not valid before {}", TimeText(begin));
  if (X509_cmp_current_time(end) <= 0) return fmt::format("has expired at {}", TimeText(end));
  return "";
}

// Checks what only a context of OpenSSL's checks: sizes of keys and kinds of signatures, against its security level.
absl::Status CheckUsable(const TlsFiles& files, const std::vector<Certificate>& chain, EVP_PKEY* key) {
  const Context context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr) return FileError(kCertificateFlag, files.certificate, OpenSslReason());
  for (const Certificate& each : chain) {
    const bool takes = each == chain.front() ? SSL_CTX_use_certificate(context.get(), each.get()) == 1
                                             : SSL_CTX_add1_chain_cert(context.get(), each.get()) == 1;
    if (!takes) {
      return FileError(kCertificateFlag, files.certificate,
                       fmt::format("OpenSSL does not take it: {}", OpenSslReason()));
    }
  }
  if (SSL_CTX_use_PrivateKey(context.get(), key) == 1) return absl::OkStatus();
  return FileError(kKeyFlag, files.key, fmt::format("OpenSSL does not take it: {}", OpenSslReason()));
}

absl::Status CheckClientCa(const TlsFiles& files, const TlsMaterial& material) {
  TENSORFERRY_ASSIGN_OR_RETURN(const std::vector<Certificate> cas,
                               ParseCertificates(kClientCaFlag, files.client_ca, material.client_ca));
  if (std::ranges::any_of(cas, [](const Certificate& ca) { return TimeProblem(ca.get()).empty(); })) {
    return absl::OkStatus();
  }
  return FileError(kClientCaFlag, files.client_ca,
                   fmt::format("none of its certificates is valid now; the first {}", TimeProblem(cas.front().get())));
}

}  // namespace

absl::StatusOr<TlsMaterial> ReadTlsMaterial(const TlsFiles& files) {
  TlsMaterial material;
  TENSORFERRY_ASSIGN_OR_RETURN(material.certificate_chain, ReadSecretFile(kCertificateFlag, files.certificate));
  TENSORFERRY_ASSIGN_OR_RETURN(material.key, ReadSecretFile(kKeyFlag, files.key));
  if (!files.client_ca.empty()) {
    TENSORFERRY_ASSIGN_OR_RETURN(material.client_ca, ReadSecretFile(kClientCaFlag, files.client_ca));
  }
  return material;
}

absl::Status CheckTlsMaterial(const TlsFiles& files, const TlsMaterial& material) {
  ERR_clear_error();
  TENSORFERRY_ASSIGN_OR_RETURN(const std::vector<Certificate> chain,
                               ParseCertificates(kCertificateFlag, files.certificate, material.certificate_chain));
  TENSORFERRY_ASSIGN_OR_RETURN(const Key key, ParseKey(files.key, material.key));
  if (const std::string problem = TimeProblem(chain.front().get()); !problem.empty()) {
    return FileError(kCertificateFlag, files.certificate, fmt::format("the certificate {}", problem));
  }
  if (X509_check_private_key(chain.front().get(), key.get()) != 1) {
    ERR_clear_error();
    return FileError(
        kKeyFlag, files.key,
        fmt::format("the key is not that of the first certificate in --{} {}", kCertificateFlag, files.certificate));
  }
  TENSORFERRY_RETURN_IF_ERROR(CheckUsable(files, chain, key.get()));
  return files.client_ca.empty() ? absl::OkStatus() : CheckClientCa(files, material);
}

std::optional<std::chrono::system_clock::time_point> ExpiryOf(const TlsMaterial& material) {
  const auto chain = ParseCertificates("", "", material.certificate_chain);
  std::tm parts{};
  if (!chain.ok() || ASN1_TIME_to_tm(X509_get0_notAfter(chain->front().get()), &parts) != 1) return std::nullopt;
  return std::chrono::system_clock::from_time_t(timegm(&parts));
}

std::string DescribeTlsMaterial(const TlsMaterial& material) {
  const auto chain = ParseCertificates("", "", material.certificate_chain);
  if (!chain.ok()) return "no certificate";
  const X509* const certificate = chain->front().get();
  const std::unique_ptr<BIGNUM, Free<BN_free>> serial(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
  char* const hex = serial == nullptr ? nullptr : BN_bn2hex(serial.get());
  std::string text = fmt::format("certificate {}, valid until {}", hex == nullptr ? "without a number" : hex,
                                 TimeText(X509_get0_notAfter(certificate)));
  OPENSSL_free(hex);
  return text;
}

}  // namespace tensorferry::security
