#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "metrics/families.h"

namespace tensorferry::metrics {

// Values are counters and gauges whose values others keep. Each is read when a scrape asks.
class Values final : public Source {
 public:
  // Reads the value, on any thread.
  using Read = std::function<double()>;

  // Call it before the first scrape.
  void Add(Metric metric, Labels labels, Read read);

  void Collect(Families& families) const override;

 private:
  struct Value {
    Metric metric;
    Labels labels;
    Read read;
  };
  std::vector<Value> values_;
};

}  // namespace tensorferry::metrics
