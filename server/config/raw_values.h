#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace tensorferry::config {

// RawValue is the value that one source gives to one setting, not yet checked.
struct RawValue {
  std::vector<std::string> texts;  // More than one only for a repeatable setting.
  std::string source;              // For people: `flag`, `environment TENSORFERRY_THREADS`, `file server.toml:3`.
};

// RawValues holds the values that one source gives, by the name of the setting.
using RawValues = std::map<std::string, RawValue, std::less<>>;

}  // namespace tensorferry::config
