#pragma once

#include <cstddef>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "payload/array_header.h"

namespace tensorferry {

inline constexpr PayloadLimits kNoLimits{.max_tensor_bytes = std::uint64_t{1} << 62};

// GoodHeader makes the header of an array that is known to be good.
inline ArrayHeader GoodHeader(std::string_view dtype, const std::vector<std::int64_t>& shape,
                              bool fortran_order = false) {
  return ArrayHeader::Make({dtype, shape, fortran_order}, Fidelity::kConvert, kNoLimits).value();
}

inline std::vector<std::byte> RandomBytes(std::size_t nbytes, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::vector<std::byte> bytes(nbytes);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

inline std::string_view AsText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace tensorferry
