#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace tensorferry::config {

// What one source says of one setting, not yet checked.
struct RawValue {
  std::vector<std::string> texts;  // Several only for a repeatable setting.
  std::string source;              // For people: `flag`, `environment TENSORFERRY_THREADS`, `file server.toml:3`.
};

// RawValues maps the name of a setting to what one source says of it.
using RawValues = std::map<std::string, RawValue, std::less<>>;

}  // namespace tensorferry::config
