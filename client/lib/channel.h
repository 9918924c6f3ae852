#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/support/channel_arguments.h>

#include <memory>
#include <string>

#include "tensorferry/client/client.h"

namespace tensorferry::client {

// CommonChannelArguments returns what all channels of this library to a server have in common.
grpc::ChannelArguments CommonChannelArguments();

// OpenChannel makes a channel with the credentials of `options`. It is connected with its first call.
std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address, const ConnectOptions& options,
                                           const grpc::ChannelArguments& arguments);

}  // namespace tensorferry::client
