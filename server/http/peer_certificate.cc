#include "http/peer_certificate.h"

#include <openssl/x509v3.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <memory>

namespace tensorferry::http {
namespace {

std::string TextOf(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

template <typename Bytes>
Bytes BytesOf(const std::string& text) {
  Bytes bytes{};
  std::copy(text.begin(), text.end(), bytes.begin());
  return bytes;
}

std::string AddressOf(const std::string& bytes) {
  using boost::asio::ip::address_v4;
  using boost::asio::ip::address_v6;
  constexpr std::size_t kBytesOf4 = 4;
  constexpr std::size_t kBytesOf6 = 16;
  if (bytes.size() == kBytesOf4) return address_v4(BytesOf<address_v4::bytes_type>(bytes)).to_string();
  return bytes.size() == kBytesOf6 ? address_v6(BytesOf<address_v6::bytes_type>(bytes)).to_string() : "";
}

std::string TextOf(const GENERAL_NAME& name) {
  switch (name.type) {
    case GEN_URI: return TextOf(name.d.uniformResourceIdentifier);
    case GEN_DNS: return TextOf(name.d.dNSName);
    case GEN_EMAIL: return TextOf(name.d.rfc822Name);
    case GEN_IPADD: return AddressOf(TextOf(name.d.iPAddress));
    default: return "";
  }
}

std::string AlternativeName(const X509* certificate) {
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      GENERAL_NAMES_free);
  std::string first;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME& name = *sk_GENERAL_NAME_value(names.get(), i);
    if (name.type == GEN_URI) return TextOf(name);
    if (first.empty()) first = TextOf(name);
  }
  return first;
}

std::string CommonName(const X509* certificate) {
  const X509_NAME* const subject = X509_get_subject_name(certificate);
  const int place = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  return place < 0 ? "" : TextOf(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, place)));
}

}  // namespace

std::string CertificateName(SSL* connection) {
  const X509* const certificate = SSL_get0_peer_certificate(connection);
  if (certificate == nullptr || SSL_get_verify_result(connection) != X509_V_OK) return "";
  std::string name = AlternativeName(certificate);
  return name.empty() ? CommonName(certificate) : name;
}

}  // namespace tensorferry::http
