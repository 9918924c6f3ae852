#include "tensorferry/client/tls.h"

#include <fmt/format.h>

#include <string_view>

#include "base/status.h"
#include "lib/file_bytes.h"

namespace tensorferry::client {
namespace {

constexpr std::string_view kCertificate = "CERTIFICATE-----";
constexpr std::string_view kKey = "PRIVATE KEY-----";

absl::StatusOr<std::string> ReadPem(const std::string& path, std::string_view end_of_first_line) {
  if (path.empty()) return std::string();
  const absl::StatusOr<FileBytes> file = LoadFile(path);
  if (!file.ok()) return absl::InvalidArgumentError(fmt::format("{}: {}", path, std::string(file.status().message())));
  std::string text(reinterpret_cast<const char*>(file->bytes.data()), file->bytes.size());
  if (text.find("-----BEGIN ") == std::string::npos || text.find(end_of_first_line) == std::string::npos) {
    return absl::InvalidArgumentError(
        fmt::format("{}: no {} in PEM form", path, end_of_first_line == kKey ? "private key" : "certificate"));
  }
  return text;
}

}  // namespace

absl::StatusOr<TlsOptions> ReadTlsFiles(const TlsFiles& files) {
  if (files.certificate.empty() != files.key.empty()) {
    return absl::InvalidArgumentError("a certificate and its key are given together or not at all");
  }
  TlsOptions options;
  TENSORFERRY_ASSIGN_OR_RETURN(options.ca, ReadPem(files.ca, kCertificate));
  TENSORFERRY_ASSIGN_OR_RETURN(options.certificate, ReadPem(files.certificate, kCertificate));
  TENSORFERRY_ASSIGN_OR_RETURN(options.key, ReadPem(files.key, kKey));
  return options;
}

}  // namespace tensorferry::client
