#pragma once

#include <grpcpp/support/channel_arguments.h>

namespace tensorferry::client {

// What all channels of ours to a server have in common.
grpc::ChannelArguments CommonChannelArguments();

}  // namespace tensorferry::client
