#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <string>
#include <vector>

#include "bench_options.h"
#include "tensorferry/client/array.h"

namespace tensorferry::cli {

// What a request of `bench` asks for.
struct BenchRequestOptions {
  BenchMode mode = BenchMode::kUnary;
  std::string model;  // Empty: conversion only.
  bool digest = false;
  std::size_t chunk_bytes = 1024 * 1024;  // Of kChunks.
};

// The messages of one request, serialised once and sent any number of times: one, or with kChunks the request and its
// chunks. No element is copied, but for arrays so small that a slice of their own costs more.
//
// Lifetime: the messages refer to `array.bytes`, until the last call that sends them has ended.
std::vector<grpc::ByteBuffer> MakeBenchRequest(const client::Array& array, const BenchRequestOptions& options);

}  // namespace tensorferry::cli
