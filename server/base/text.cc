#include "base/text.h"

#include <fmt/format.h>

#include <array>
#include <cstddef>

namespace tensorferry {

std::string SizeText(std::uint64_t nbytes) {
  constexpr std::array kUnits{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (nbytes < 1024) return fmt::format("{} B", nbytes);
  double value = static_cast<double>(nbytes) / 1024;
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

}  // namespace tensorferry
