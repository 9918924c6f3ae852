#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/support/channel_arguments.h>

#include <memory>
#include <string>

#include "tensorferry/client/client.h"

namespace tensorferry::client {

// CommonChannelArguments returns what all channels of this library to a server have in common.
grpc::ChannelArguments CommonChannelArguments();

// NamesServers returns whether an address is of a form by which gRPC finds several servers: `dns:///HOST:PORT`,
// `ipv4:IP:PORT,IP:PORT` or `ipv6:[IP]:PORT,[IP]:PORT`.
bool NamesServers(const std::string& address);

// OpenChannel makes a channel with the credentials of `options`. It is connected with its first call. Calls go in turn to
// all servers that an address names, but for those that say that they do not serve.
std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address, const ConnectOptions& options,
                                           grpc::ChannelArguments arguments);

}  // namespace tensorferry::client
