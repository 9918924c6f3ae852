#pragma once

#include <string>
#include <vector>

namespace tensorferry::cli {

// PlotScale is the axis of a plot: from 0 to a round number, or, for values that differ much, in powers of ten.
class PlotScale {
 public:
  // Holds all of `values`; those that are not above 0 do not count.
  explicit PlotScale(const std::vector<double>& values);

  // Returns where the value lies between the ends of the axis: from 0 to 1.
  double At(double value) const;

  const std::vector<double>& ticks() const { return ticks_; }

 private:
  bool logarithmic_ = false;
  double low_ = 0;
  double high_ = 1;
  std::vector<double> ticks_;
};

// TickText writes a tick: "250", "2.5k", "10M".
std::string TickText(double value);

}  // namespace tensorferry::cli
