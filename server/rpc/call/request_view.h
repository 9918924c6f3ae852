// What a caller's message says, decoded and unchecked. The views borrow the message: nothing is copied.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "payload/scattered_bytes.h"
#include "payload/shape.h"

namespace tensorferry::rpc {

// PayloadKind says how the elements of an array come. The values are the members of the oneof `payload` in the native
// protocol.
enum class PayloadKind : std::uint8_t { kNone, kData, kNpy, kChunked, kSharedMemory };

struct ArrayView {
  std::string_view name;
  std::string_view dtype;
  Shape shape;
  bool fortran_order = false;
  PayloadKind payload = PayloadKind::kNone;
  ScatteredBytes bytes;              // kData, kNpy.
  std::uint64_t chunked_nbytes = 0;  // kChunked.
  bool strings = false;              // kData, kSharedMemory: raw strings, and no `dtype`.
  std::string_view region{};         // kSharedMemory: the name of a registered region.
  std::uint64_t shared_offset = 0;   // kSharedMemory: bytes of the region before the elements.
  std::uint64_t shared_nbytes = 0;   // kSharedMemory.

  bool operator==(const ArrayView&) const = default;
};

// SharedPlace is a range of bytes in a region of shared or sealed memory, as the caller gives it.
struct SharedPlace {
  std::string_view region;  // The region's name.
  std::uint64_t offset = 0;
  std::uint64_t nbytes = 0;

  bool operator==(const SharedPlace&) const = default;
};

struct RequestView {
  std::string_view request_id;
  std::string_view model_name;
  std::string_view model_version;
  bool strict = false;
  bool digest = false;  // Whether to compute the XXH3-128 of each array.
  bool return_data = false;
  std::uint64_t priority = 0;            // As RunOptions::priority.
  std::chrono::microseconds timeout{0};  // As RunOptions::timeout.
  std::vector<std::string_view> requested_outputs;
  std::vector<ArrayView> arrays;
  std::optional<SharedPlace> output_memory{};  // Elements that fit are written there, and not sent.

  bool operator==(const RequestView&) const = default;
};

// The most arrays that a request may have, and the most outputs that it may ask for.
inline constexpr std::size_t kMaxArrays = 4096;

// StreamPart says what a message on ConvertStream holds.
enum class StreamPart : std::uint8_t { kNone, kRequest, kChunk };

}  // namespace tensorferry::rpc
