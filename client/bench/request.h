#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/options.h"
#include "lib/output_pool.h"
#include "lib/region.h"
#include "tensorferry/client/array.h"
#include "tensorferry/client/client.h"

namespace tensorferry::cli {

// BenchRequestOptions says what a request of `bench` asks for.
struct BenchRequestOptions {
  BenchMode mode = BenchMode::kUnary;
  std::string model;  // Empty: conversion only.
  bool digest = false;
  std::size_t chunk_bytes = std::size_t{1} << 20;  // The size of each chunk of kChunks.
  std::chrono::milliseconds patience{0};           // How long a call may take; 0: as long as it does.
};

// MakeBenchRequest returns the messages of one request, serialised once to be sent any number of times: one message, or
// with kChunks the request and its chunks. The arrays have owners, so that their elements are not copied.
// Errors: those of client::PrepareRequest, which are about .npy files in chunks alone.
absl::StatusOr<std::vector<grpc::ByteBuffer>> MakeBenchRequest(std::span<const client::Array> arrays,
                                                               const BenchRequestOptions& options);

// BenchRequest is what a measurement sends any number of times.
struct BenchRequest {
  std::vector<grpc::ByteBuffer> messages;
  // The sealed memory that the messages refer to, as long as this object is there.
  std::vector<std::shared_ptr<const client::Region>> regions;
  // The memory that the outputs of all answers are written to, which nobody reads; null: they come in messages.
  std::shared_ptr<client::OutputLease> outputs;
};

// BenchServer is a server at a `unix:PATH`, and a client of it.
struct BenchServer {
  const std::string& address;
  client::Client& client;
};

// MakeSealedBenchRequest hands the arrays over to the server, and memory for the outputs of a model, whose size a call
// tells. The mode is not kChunks.
// Errors: those of client::PrepareSealedRequest, and of the call.
absl::StatusOr<BenchRequest> MakeSealedBenchRequest(const BenchServer& server, std::span<const client::Array> arrays,
                                                    const BenchRequestOptions& options);

}  // namespace tensorferry::cli
