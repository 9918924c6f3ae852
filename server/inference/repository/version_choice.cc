#include "inference/repository/version_choice.h"

#include <algorithm>
#include <set>

namespace tensorferry::inference {

VersionChoice ChooseVersions(const ModelSource& source, const VersionPolicy& policy) {
  std::vector<std::int64_t> all;
  for (const auto& [number, version] : source.versions) all.push_back(number);
  switch (policy.kind) {
    case VersionPolicy::Kind::kAll: return {.there = all, .missing = {}};
    case VersionPolicy::Kind::kLatest: {
      const std::size_t count = std::min<std::size_t>(std::max(policy.latest, 1U), all.size());
      return {.there = std::vector(all.end() - static_cast<std::ptrdiff_t>(count), all.end()), .missing = {}};
    }
    case VersionPolicy::Kind::kSpecific: {
      VersionChoice choice;
      for (const std::int64_t version : std::set(policy.specific.begin(), policy.specific.end())) {
        (source.versions.contains(version) ? choice.there : choice.missing).push_back(version);
      }
      return choice;
    }
  }
  __builtin_unreachable();
}

std::int64_t NewestOf(const ModelSource& source) {
  return source.versions.empty() ? 1 : source.versions.rbegin()->first;
}

}  // namespace tensorferry::inference
