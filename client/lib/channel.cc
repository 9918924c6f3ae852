#include "channel.h"

namespace tensorferry::client {

grpc::ChannelArguments CommonChannelArguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);  // The server's own limit bounds what it sends.
  // A fixed window instead of probing, with frames to match: fewer wake-ups per MiB.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 8 * 1024 * 1024);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, 1024 * 1024);
  arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);  // Nobody asks; every call would be recorded.
  return arguments;
}

}  // namespace tensorferry::client
