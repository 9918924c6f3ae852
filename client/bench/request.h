#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <string>
#include <vector>

#include "bench/options.h"
#include "tensorferry/client/array.h"

namespace tensorferry::cli {

// What a request of `bench` asks for.
struct BenchRequestOptions {
  BenchMode mode = BenchMode::kUnary;
  std::string model;  // Empty: conversion only.
  bool digest = false;
  std::size_t chunk_bytes = 1024 * 1024;  // How long each chunk of kChunks is.
};

// The messages of one request, serialised once and sent any number of times: one, or with kChunks the request and its
// chunks. `array`: one that owns its elements, so that they are not copied; elements alone, not a .npy file.
std::vector<grpc::ByteBuffer> MakeBenchRequest(const client::Array& array, const BenchRequestOptions& options);

}  // namespace tensorferry::cli
