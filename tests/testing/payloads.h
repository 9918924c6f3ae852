#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "inference/converter.h"
#include "payload/array_payload.h"
#include "testing/arrays.h"

namespace tensorferry {

// GoodPayload makes a complete payload. It borrows `pool`, which must outlive it.
inline ArrayPayload GoodPayload(const ArrayHeader& header, std::span<const std::byte> bytes, BufferPool& pool) {
  ArrayAssembler assembler = ArrayAssembler::Start(header, {.digest = true}, pool).value();
  if (!assembler.Append(bytes).ok()) std::abort();
  return std::move(assembler).Finish();
}

inline inference::NamedArray GoodArray(std::string name, std::string_view dtype, const std::vector<std::int64_t>& shape,
                                       BufferPool& pool, bool fortran_order = false) {
  const ArrayHeader header = GoodHeader(dtype, shape, fortran_order);
  return {std::move(name), GoodPayload(header, RandomBytes(header.nbytes()), pool)};
}

}  // namespace tensorferry
