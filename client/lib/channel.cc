#include "lib/channel.h"

namespace tensorferry::client {

grpc::ChannelArguments CommonChannelArguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);         // The server's own limit bounds what it sends.
  arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);  // Nobody reads the records that gRPC would make of every call.
  return arguments;
}

}  // namespace tensorferry::client
