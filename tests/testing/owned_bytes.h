#pragma once

#include <memory>

#include "tensorferry/client/array.h"
#include "testing/arrays.h"

namespace tensorferry::client {

// OwnedBytes makes an array of random uint8 that owns its memory.
inline Array OwnedBytes(std::size_t nbytes) {
  auto bytes = std::make_shared<const std::vector<std::byte>>(RandomBytes(nbytes));
  const std::span<const std::byte> elements = *bytes;
  return {.name = "x",
          .dtype = "uint8",
          .shape = {static_cast<std::int64_t>(nbytes)},
          .bytes = elements,
          .owner = std::move(bytes)};
}

}  // namespace tensorferry::client
