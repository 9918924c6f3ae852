#include "listen.h"

#include <fmt/format.h>
#include <grpcpp/security/server_credentials.h>

#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

#include "base/memory_upkeep.h"
#include "rpc/native/reply.h"

namespace tensorferry::bench {
namespace {

void FixWindows(grpc::ServerBuilder& builder) {
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 8 << 20);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, 1 << 20);
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
}

}  // namespace

ServerArguments ReadArguments(int argc, char** argv) {
  ServerArguments arguments;
  for (const std::string_view word : std::span(argv, static_cast<std::size_t>(argc)).subspan(1)) {
    if (word == "--tuned") {
      arguments.tuned = true;
    } else {
      arguments.addresses.emplace_back(word);
    }
  }
  if (arguments.tuned) KeepMallocMemory();
  return arguments;
}

std::unique_ptr<grpc::Server> Listen(const ServerArguments& arguments, grpc::ServerBuilder& builder) {
  if (arguments.tuned) FixWindows(builder);
  builder.SetMaxReceiveMessageSize(-1);
  std::vector<int> ports(arguments.addresses.size(), 0);
  for (std::size_t i = 0; i < ports.size(); ++i) {
    builder.AddListeningPort(arguments.addresses[i], grpc::InsecureServerCredentials(), &ports[i]);
  }
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) std::exit(1);  // gRPC has printed the reason.
  std::string line = "ready";
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const std::string& address = arguments.addresses[i];
    const bool is_unix = address.starts_with("unix:");
    line += is_unix ? " grpc=" + address : fmt::format(" grpc={}:{}", address.substr(0, address.rfind(':')), ports[i]);
  }
  fmt::print("{}\n", line);
  std::fflush(stdout);
  return server;
}

void FillServerInfo(v1::GetServerInfoResponse& info) { info.set_recommended_chunk_bytes(rpc::kChunkBytes); }

}  // namespace tensorferry::bench
