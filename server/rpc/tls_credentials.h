#pragma once

#include <grpc/grpc_security.h>

#include <deque>
#include <memory>
#include <string>

#include "rpc/library_versions.h"
#include "security/reloaded.h"
#include "security/tls_material.h"

namespace tensorferry::rpc {

// TlsCredentials makes listeners serve TLS 1.2 and later. Every new connection gets the certificate that is in use when
// it comes; those that are open go on. ADR 0019 says why it is made so.
// Lifetime: borrows `material`; outlives the server that listens with it.
class TlsCredentials final : public CredentialsBase {
 public:
  explicit TlsCredentials(const security::Reloaded<security::TlsMaterial>& material) : material_(material) {}

  // A virtual function of gRPC's, which nothing here calls.
  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  // Listener is one socket that accepts connections.
  struct Listener {
    const security::Reloaded<security::TlsMaterial>& material;
    std::shared_ptr<const security::TlsMaterial> given;  // What gRPC has for this socket. Null: nothing yet.
  };

  // Listens on every address that `address` stands for, on the same port. Returns the port, or 0 if there is none.
  int AddPortToServer(const std::string& address, grpc_server* server) override;
  int AddSocket(const std::string& address, grpc_server* server);

  // gRPC calls it for each new connection of a Listener, before the handshake.
  static grpc_ssl_certificate_config_reload_status Fetch(void* listener, grpc_ssl_server_certificate_config** config);

  const security::Reloaded<security::TlsMaterial>& material_;
  std::deque<Listener> listeners_;  // gRPC holds pointers to them.
};

}  // namespace tensorferry::rpc
