#include "lib/channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/client_interceptor.h>

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"

namespace tensorferry::client {
namespace {

using grpc::experimental::InterceptionHookPoints;

// TokenSender adds the token to each call, whichever class makes the call.
class TokenSender final : public grpc::experimental::Interceptor {
 public:
  explicit TokenSender(const std::string& token) : token_(token) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
      methods->GetSendInitialMetadata()->emplace("authorization", "Bearer " + token_);
    }
    methods->Proceed();
  }

 private:
  const std::string& token_;
};

class TokenSenders final : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  explicit TokenSenders(std::string token) : token_(std::move(token)) {}

  grpc::experimental::Interceptor* CreateClientInterceptor(grpc::experimental::ClientRpcInfo*) override {
    return new TokenSender(token_);
  }

 private:
  const std::string token_;  // Outlives every call, as the channel does.
};

// Returns whether there are a host and a port.
bool NamesHost(std::string_view text) {
  const std::optional<Address> address = ParseAddress(text);
  return address && !address->is_unix && address->port != 0;
}

constexpr char kInTurn[] = R"({"loadBalancingConfig": [{"round_robin": {}}],
  "healthCheckConfig": {"serviceName": "tensorferry.v1.TensorService"}})";
constexpr int kMaxReconnectBackoffMs = 5000;  // A server that is back is found within so long.

}  // namespace

bool NamesServers(const std::string& address) {
  constexpr std::string_view kName = "dns:///";
  if (address.starts_with(kName)) return NamesHost(std::string_view(address).substr(kName.size()));
  if (!address.starts_with("ipv4:") && !address.starts_with("ipv6:")) return false;
  std::string_view rest = std::string_view(address).substr(5);
  for (;;) {
    const std::size_t comma = rest.find(',');
    if (!NamesHost(rest.substr(0, comma))) return false;
    if (comma == std::string_view::npos) return true;
    rest.remove_prefix(comma + 1);
  }
}

grpc::ChannelArguments CommonChannelArguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);         // The server's own limit bounds what it sends.
  arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);  // Nobody reads the records that gRPC would make of every call.
  return arguments;
}

std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address, const ConnectOptions& options,
                                           grpc::ChannelArguments arguments) {
  if (NamesServers(address)) {
    arguments.SetServiceConfigJSON(kInTurn);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxReconnectBackoffMs);
  }
  const auto& tls = options.tls;
  const auto credentials =
      tls ? grpc::SslCredentials(
                {.pem_root_certs = tls->ca, .pem_private_key = tls->key, .pem_cert_chain = tls->certificate})
          : grpc::InsecureChannelCredentials();
  if (options.token.empty()) return grpc::CreateCustomChannel(address, credentials, arguments);
  std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> senders;
  senders.push_back(std::make_unique<TokenSenders>(options.token));
  return grpc::experimental::CreateCustomChannelWithInterceptors(address, credentials, arguments, std::move(senders));
}

}  // namespace tensorferry::client
