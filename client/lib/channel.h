#pragma once

#include <grpcpp/support/channel_arguments.h>

namespace tensorferry::client {

// CommonChannelArguments returns what all channels of this library to a server have in common.
grpc::ChannelArguments CommonChannelArguments();

}  // namespace tensorferry::client
