#include "lib/channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

namespace tensorferry::client {

grpc::ChannelArguments CommonChannelArguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);         // The server's own limit bounds what it sends.
  arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);  // Nobody reads the records that gRPC would make of every call.
  return arguments;
}

std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address, const ConnectOptions& options,
                                           const grpc::ChannelArguments& arguments) {
  const auto& tls = options.tls;
  return grpc::CreateCustomChannel(
      address,
      tls ? grpc::SslCredentials(
                {.pem_root_certs = tls->ca, .pem_private_key = tls->key, .pem_cert_chain = tls->certificate})
          : grpc::InsecureChannelCredentials(),
      arguments);
}

}  // namespace tensorferry::client
