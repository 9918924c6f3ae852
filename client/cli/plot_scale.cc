#include "cli/plot_scale.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

namespace tensorferry::cli {
namespace {

constexpr double kMuch = 20;  // Values whose largest is so many times the smallest are drawn in powers of ten.

// Returns 1, 2 or 5 times a power of ten, at least `step`.
double RoundStep(double step) {
  const double power = std::pow(10, std::floor(std::log10(step)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= step) return factor * power;
  }
  return 10 * power;
}

}  // namespace

PlotScale::PlotScale(const std::vector<double>& values) {
  constexpr double kSteps = 4;
  std::vector<double> positive;
  std::ranges::copy_if(values, std::back_inserter(positive), [](double value) { return value > 0; });
  if (positive.empty()) positive = {1};
  const auto [least, most] = std::ranges::minmax(positive);
  logarithmic_ = most > kMuch * least;
  if (logarithmic_) {
    low_ = std::floor(std::log10(least));
    high_ = std::ceil(std::log10(most));
    for (double power = low_; power <= high_; ++power) ticks_.push_back(std::pow(10, power));
    return;
  }
  const double step = RoundStep(most / kSteps);
  high_ = std::ceil(most / step) * step;
  for (int i = 0; i * step <= high_ + step / 2; ++i) ticks_.push_back(i * step);
}

double PlotScale::At(double value) const {
  const double place = logarithmic_ ? std::log10(value) : value;
  return std::clamp((place - low_) / (high_ - low_), 0.0, 1.0);
}

std::string TickText(double value) {
  struct Unit {
    double size;
    const char* name;
  };
  constexpr auto kUnits = std::to_array<Unit>({{1e9, "G"}, {1e6, "M"}, {1e3, "k"}});
  for (const Unit& unit : kUnits) {
    if (value >= unit.size) return fmt::format("{:g}{}", value / unit.size, unit.name);
  }
  return fmt::format("{:g}", value);
}

}  // namespace tensorferry::cli
