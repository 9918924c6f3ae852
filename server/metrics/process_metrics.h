#pragma once

#include "metrics/families.h"

namespace tensorferry::metrics {

// ProcessMetrics are those that Prometheus's clients have of every process, as Linux tells them in /proc. What cannot be
// read is left out.
class ProcessMetrics final : public Source {
 public:
  void Collect(Families& families) const override;
};

}  // namespace tensorferry::metrics
