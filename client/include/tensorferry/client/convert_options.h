#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "payload/dtype_text.h"

namespace tensorferry::client {

struct ConvertOptions {
  std::string request_id;     // The response repeats it.
  std::string model_name;     // Empty: conversion only.
  std::string model_version;  // Empty: the server chooses.
  Fidelity fidelity = Fidelity::kConvert;
  bool digest = true;                          // The server digests each tensor.
  bool return_data = false;                    // The response brings the elements of the converted tensors.
  std::vector<std::string> requested_outputs;  // Empty: all.
  // How many bytes come back, for a server at `unix:PATH`: memory of this size is lent to it, and what does not fit there
  // comes in messages. 0: as many as came back from such a request before.
  std::uint64_t expected_output_bytes = 0;
  // For a call; 0: none. On a Stream, StreamOptions::timeout applies. A server that has stopped reading from a Unix socket
  // keeps a call of one large message beyond it, as gRPC waits for the socket.
  std::chrono::milliseconds timeout{0};
  // How often Convert tries again where the server says when that may help (Error::retry_after), within the timeout. A
  // Stream sends each request once.
  int retries = 0;
  // Called after each chunk of a large upload, with the bytes sent so far and the bytes in all.
  std::function<void(std::uint64_t sent, std::uint64_t total)> progress;
};

struct StreamOptions {
  std::size_t max_outstanding = 16;      // The most requests that are sent and not yet answered.
  std::chrono::milliseconds timeout{0};  // For the whole stream; 0 = none.
};

}  // namespace tensorferry::client
