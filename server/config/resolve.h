#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/config.h"
#include "config/environment.h"
#include "config/exit_code.h"

namespace tensorferry::config {

// Serve with `config`.
struct Resolved {
  Config config;
  std::map<std::string_view, std::string, std::less<>>
      sources;                        // Where every setting's value is from, by the setting's name.
  std::vector<std::string> warnings;  // For the log, one line each.
};

// Print `text`, which ends with a line feed, and end: on stdout if `code` is kOk, else on stderr.
struct Exit {
  ExitCode code;
  std::string text;
};

// What `args` (the program's name left out), `environment` and the file that they name ask for. A flag wins over the
// environment, the environment over the file, the file over the default; what is overridden is not checked.
std::variant<Resolved, Exit> Resolve(const std::vector<std::string>& args, const Environment& environment,
                                     std::string_view version);

}  // namespace tensorferry::config
