#include "http/tls_context.h"

#include <openssl/ssl.h>

#include <boost/asio/buffer.hpp>
#include <string>

namespace tensorferry::http {
namespace {

namespace ssl = boost::asio::ssl;

std::shared_ptr<ssl::context> MakeContext(const security::TlsMaterial& material) {
  const auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX* const native = context->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  // A session that is resumed would not be asked for its certificate again.
  SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(native, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_num_tickets(native, 0);
  context->use_certificate_chain(boost::asio::buffer(material.certificate_chain));
  context->use_private_key(boost::asio::buffer(material.key), ssl::context::pem);
  if (!material.client_ca.empty()) {
    context->add_certificate_authority(boost::asio::buffer(material.client_ca));
    context->set_verify_mode(ssl::verify_peer);
  }
  return context;
}

}  // namespace

std::shared_ptr<ssl::context> TlsContexts::Current() {
  if (const std::uint64_t now = material_.version(); now != version_) {
    context_ = MakeContext(*material_.Get());
    version_ = now;
  }
  return context_;
}

bool HasCertificate(SSL* connection) {
  return SSL_get0_peer_certificate(connection) != nullptr && SSL_get_verify_result(connection) == X509_V_OK;
}

}  // namespace tensorferry::http
