#include "metrics/values.h"

namespace tensorferry::metrics {

void Values::Add(Metric metric, Labels labels, Read read) {
  values_.push_back({metric, std::move(labels), std::move(read)});
}

void Values::Collect(Families& families) const {
  for (const auto& [metric, labels, read] : values_) families.Add(metric, labels, read());
}

}  // namespace tensorferry::metrics
