// These functions are common to the servers that `make bench` compares: arguments, listening, the ready line.
#pragma once

#include <grpcpp/server_builder.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::bench {

// TlsFiles are the paths of PEM files.
struct TlsFiles {
  std::string certificate, key;
};

struct ServerArguments {
  bool tuned = false;  // Fixed windows and large frames instead of probing, and malloc's memory kept: docs/adr/0011.
  std::optional<TlsFiles> tls;
  std::vector<std::pair<std::string, int>> channel;  // Arguments of gRPC's for every connection.
  std::vector<std::string> addresses;
};

// ReadArguments reads [--tuned] [--tls CERTIFICATE KEY] [--unchecked-locks] [--channel NAME=NUMBER]... ADDRESS..., where
// each address is `host:port` or `unix:PATH`. It sets how malloc works, and with --unchecked-locks that abseil does not look
// for deadlocks, so it is to be called first.
ServerArguments ReadArguments(int argc, char** argv);

// Listen listens on the addresses and prints the ready line. It ends the process if it cannot.
std::unique_ptr<grpc::Server> Listen(const ServerArguments& arguments, grpc::ServerBuilder& builder);

// FillServerInfo answers what `tensorferry bench` asks before the load.
void FillServerInfo(v1::GetServerInfoResponse& info);

}  // namespace tensorferry::bench
