// What a caller's message says, decoded and unchecked. Views of the message: nothing is copied.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

#include "payload/scattered_bytes.h"
#include "payload/shape.h"

namespace tensorferry::rpc {

// How an array's elements come; the members of the proto's oneof `payload`.
enum class PayloadKind : std::uint8_t { kNone, kData, kNpy, kChunked, kSharedMemory };

struct ArrayView {
  std::string_view name;
  std::string_view dtype;
  Shape shape;
  bool fortran_order = false;
  PayloadKind payload = PayloadKind::kNone;
  ScatteredBytes bytes;              // kData, kNpy.
  std::uint64_t chunked_nbytes = 0;  // kChunked.
  bool strings = false;              // kData: raw strings, and no `dtype`.
  std::string_view region{};         // kSharedMemory: a registered region, and what of it.
  std::uint64_t shared_offset = 0;
  std::uint64_t shared_nbytes = 0;

  bool operator==(const ArrayView&) const = default;
};

struct RequestView {
  std::string_view request_id;
  std::string_view model_name;
  std::string_view model_version;
  bool strict = false;
  bool digest = false;  // XXH3-128.
  bool return_data = false;
  std::uint64_t priority = 0;            // In the model's queue; 0: its default.
  std::chrono::microseconds timeout{0};  // The same; 0: none.
  std::vector<std::string_view> requested_outputs;
  std::vector<ArrayView> arrays;

  bool operator==(const RequestView&) const = default;
};

// Arrays of one request, and outputs that it may ask for.
inline constexpr std::size_t kMaxArrays = 4096;

// One message of a stream.
enum class StreamPart : std::uint8_t { kNone, kRequest, kChunk };

}  // namespace tensorferry::rpc
