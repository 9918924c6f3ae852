// Floats of 8 and 16 bits as numbers, exact in both directions.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "payload/dtype.h"

namespace tensorferry::web {

// NarrowFloat is the layout of a float of 8 or 16 bits: sign, exponent, mantissa.
struct NarrowFloat {
  int mantissa_bits;
  int least_exponent;      // The least normal number is two to this power.
  std::uint16_t most;      // The bits of the greatest number.
  std::uint16_t infinity;  // The bits of infinity. 0: there is none.
  std::uint16_t nan;       // The bits of the NaN that every NaN of JSON becomes.
  std::uint16_t sign;      // The bit of the sign. 0: no number is negative, or zero.
};

// Returns the layout of a dtype, or nothing if it is no float of at most 16 bits.
std::optional<NarrowFloat> NarrowFloatOf(DType dtype);

// Returns the number that the bits are: NaN and infinity, too. Every one is a double.
double ValueOf(const NarrowFloat& format, std::uint16_t bits);

// Returns the bits of the number that is nearest to `digits`, a number as JSON writes it; of two that are equally near
// the one with an even mantissa. `value` is the double that is nearest to `digits`, and is finite. Returns nothing if the number
// is too large, or is zero or negative where there are none.
std::optional<std::uint16_t> BitsOf(const NarrowFloat& format, double value, std::string_view digits);

}  // namespace tensorferry::web
