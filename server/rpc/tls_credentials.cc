#include "rpc/tls_credentials.h"

#include <fmt/format.h>
#include <grpc/grpc.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/text.h"

namespace tensorferry::rpc {
namespace {

std::string NumericAddress(const addrinfo& found) {
  char host[NI_MAXHOST];
  if (getnameinfo(found.ai_addr, found.ai_addrlen, host, sizeof(host), nullptr, 0, NI_NUMERICHOST) != 0) return "";
  return found.ai_family == AF_INET6 ? fmt::format("[{}]", host) : std::string(host);
}

// Returns the numeric addresses that a host stands for, each once. Returns `host` itself if they cannot be found.
std::vector<std::string> NumericAddresses(const std::string& host) {
  const bool bracketed = host.starts_with('[');
  const std::string name = bracketed ? host.substr(1, host.size() - 2) : host;
  const addrinfo hints{.ai_flags = AI_PASSIVE, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  addrinfo* found = nullptr;
  if (bracketed || getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) return {host};
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  std::vector<std::string> addresses;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    const std::string address = NumericAddress(*at);
    if (!address.empty() && std::ranges::find(addresses, address) == addresses.end()) addresses.push_back(address);
  }
  return addresses.empty() ? std::vector{host} : addresses;
}

}  // namespace

// Where two sockets share credentials, gRPC may use a certificate after it has freed it. A name may stand for several
// addresses, each with a socket, so every socket gets credentials of its own.
int TlsCredentials::AddPortToServer(const std::string& address, grpc_server* server) {
  const std::optional<Address> parsed = ParseAddress(address);
  if (!parsed) return 0;
  int port = parsed->port;
  int listening = 0;
  for (const std::string& host : NumericAddresses(std::string(parsed->host))) {
    const int added = AddSocket(fmt::format("{}:{}", host, port), server);
    if (added == 0) continue;
    listening = added;
    port = added;
  }
  return listening;
}

int TlsCredentials::AddSocket(const std::string& address, grpc_server* server) {
  Listener& listener = listeners_.emplace_back(Listener{.material = material_, .given = nullptr});
  const bool asks_clients = !material_.Get()->client_ca.empty();
  grpc_server_credentials* const credentials =
      grpc_ssl_server_credentials_create_with_options(grpc_ssl_server_credentials_create_options_using_config_fetcher(
          asks_clients ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                       : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
          Fetch, &listener));
  const int port = grpc_server_add_http2_port(server, address.c_str(), credentials);
  grpc_server_credentials_release(credentials);
  return port;
}

// gRPC accepts the connections of one socket one after the other, so that no two threads are here for one Listener.
grpc_ssl_certificate_config_reload_status TlsCredentials::Fetch(void* listener,
                                                                grpc_ssl_server_certificate_config** config) {
  Listener& own = *static_cast<Listener*>(listener);
  std::shared_ptr<const security::TlsMaterial> material = own.material.Get();
  if (material == own.given) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
  const grpc_ssl_pem_key_cert_pair pair{.private_key = material->key.c_str(),
                                        .cert_chain = material->certificate_chain.c_str()};
  // gRPC's debug builds want CAs in any case. Without a request for the client's certificate they have no meaning.
  const std::string& cas = material->client_ca.empty() ? material->certificate_chain : material->client_ca;
  *config = grpc_ssl_server_certificate_config_create(cas.c_str(), &pair, 1);
  own.given = std::move(material);
  return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
}

}  // namespace tensorferry::rpc
