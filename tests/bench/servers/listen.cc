#include "listen.h"

#include <fmt/format.h>
#include <grpcpp/security/server_credentials.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/synchronization/mutex.h"
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

std::string Contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::shared_ptr<grpc::ServerCredentials> Credentials(const std::optional<TlsFiles>& tls) {
  if (!tls) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back({.private_key = Contents(tls->key), .cert_chain = Contents(tls->certificate)});
  return grpc::SslServerCredentials(options);
}

}  // namespace

ServerArguments ReadArguments(int argc, char** argv) {
  ServerArguments arguments;
  const std::span words(argv, static_cast<std::size_t>(argc));
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (word == "--tuned") {
      arguments.tuned = true;
    } else if (word == "--tls" && i + 2 < words.size()) {
      arguments.tls = {.certificate = words[i + 1], .key = words[i + 2]};
      i += 2;
    } else if (word == "--unchecked-locks") {
      absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    } else if (word == "--channel" && i + 1 < words.size()) {
      const std::string argument = words[++i];
      const std::size_t equals = argument.rfind('=');
      arguments.channel.emplace_back(argument.substr(0, equals), std::stoi(argument.substr(equals + 1)));
    } else {
      arguments.addresses.emplace_back(word);
    }
  }
  if (arguments.tuned) KeepMallocMemory();
  return arguments;
}

std::unique_ptr<grpc::Server> Listen(const ServerArguments& arguments, grpc::ServerBuilder& builder) {
  if (arguments.tuned) FixWindows(builder);
  for (const auto& [name, value] : arguments.channel) builder.AddChannelArgument(name, value);
  builder.SetMaxReceiveMessageSize(-1);
  std::vector<int> ports(arguments.addresses.size(), 0);
  for (std::size_t i = 0; i < ports.size(); ++i) {
    builder.AddListeningPort(arguments.addresses[i], Credentials(arguments.tls), &ports[i]);
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
