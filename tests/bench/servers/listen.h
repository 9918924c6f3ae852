// What the servers that `make bench` compares have in common: arguments, listening, the ready line.
#pragma once

#include <grpcpp/server_builder.h>

#include <memory>
#include <string>
#include <vector>

#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::bench {

struct ServerArguments {
  bool tuned = false;  // Fixed windows and large frames instead of probing, and malloc's memory kept: docs/adr/0011.
  std::vector<std::string> addresses;
};

// [--tuned] ADDRESS...: each `host:port` or `unix:PATH`. To be called first: it sets how malloc works.
ServerArguments ReadArguments(int argc, char** argv);

// Listens where the arguments say and prints the ready line. Ends the process if it cannot.
std::unique_ptr<grpc::Server> Listen(const ServerArguments& arguments, grpc::ServerBuilder& builder);

// What `tensorferry bench` asks before the load.
void FillServerInfo(v1::GetServerInfoResponse& info);

}  // namespace tensorferry::bench
