// Settings of gRPC that hold for every connection, before any service sees a call.
#pragma once

#include <grpcpp/server_builder.h>

#include <chrono>
#include <cstdint>
#include <string>

namespace tensorferry::rpc {

// Sets what gRPC reads from the environment once, when it is first used, unless the environment has it already.
// Threads: to be called before any other thread reads the environment.
void PrepareGrpc();

// ConnectionLimits says when the server ends connections by itself; 0: never.
struct ConnectionLimits {
  std::chrono::milliseconds max_idle;  // Of a connection without a call.
  std::chrono::milliseconds max_age;  // gRPC adds or takes a tenth of it by chance. The caller is told to connect anew.
  std::chrono::milliseconds age_grace;  // Then the calls on the connection may go on for so long.
};

// Sets them. Independently of these limits, a peer that does not answer gRPC's pings for 20 s is closed, with or without
// a call.
void SetConnectionLimits(const ConnectionLimits& limits, grpc::ServerBuilder& builder);

// Sets the limits of messages and connections. `compression` says whether compressed requests are taken.
void SetTransportOptions(std::uint64_t max_message_bytes, bool compression, grpc::ServerBuilder& builder);

// Has gRPC end calls, whichever it takes, with RESOURCE_EXHAUSTED when the bytes that it has received for all of them
// exceed `receive_budget`: messages that are not complete yet, or that nobody has taken in. At least two messages of
// `max_message_bytes` have room, or else none of this size could arrive.
void LimitReceivedBytes(std::uint64_t receive_budget, std::uint64_t max_message_bytes, grpc::ServerBuilder& builder);

// Returns `address`, on which a server was told to listen, with the port that the system chose.
std::string WithPort(const std::string& address, int port);

}  // namespace tensorferry::rpc
