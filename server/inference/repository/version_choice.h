// Which of a model's versions are served.
#pragma once

#include <cstdint>
#include <vector>

#include "inference/model_config.h"
#include "inference/repository/model_source.h"

namespace tensorferry::inference {

// VersionChoice is what a version policy asks for, ascending.
struct VersionChoice {
  std::vector<std::int64_t> there;    // The versions that are there.
  std::vector<std::int64_t> missing;  // The versions that the policy names and that are not there.
};

VersionChoice ChooseVersions(const ModelSource& source, const VersionPolicy& policy);

// Returns the newest version that is there; 1 if none is.
std::int64_t NewestOf(const ModelSource& source);

}  // namespace tensorferry::inference
