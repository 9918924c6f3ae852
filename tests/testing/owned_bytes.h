#pragma once

#include <memory>

#include "tensorferry/client/array.h"
#include "testing/arrays.h"

namespace tensorferry::client {

// An array of random uint8 that keeps its memory itself.
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
