#pragma once

#include "inference/model_catalog.h"
#include "metrics/families.h"

namespace tensorferry::metrics {

// ModelMetrics has the metrics of the models that the catalog lists at the time of a scrape. The series of a version end
// when the catalog forgets it, so that there are never more than there are models.
// Lifetime: borrows `catalog`.
class ModelMetrics final : public Source {
 public:
  explicit ModelMetrics(const inference::ModelCatalog& catalog) : catalog_(catalog) {}

  void Collect(Families& families) const override;

 private:
  const inference::ModelCatalog& catalog_;
};

}  // namespace tensorferry::metrics
