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

// Resolved asks the caller of Resolve to serve with `config`.
struct Resolved {
  Config config;
  std::map<std::string_view, std::string, std::less<>>
      sources;                        // The source of every setting's value, by the setting's name.
  std::vector<std::string> warnings;  // Lines for the log.
};

// Exit asks the caller of Resolve to tell `text`, and to end the process with `code`. If that is kOk, the text is lines
// for standard output. Else it is the message of an error, one line without its line feed.
struct Exit {
  ExitCode code;
  std::string text;
};

// Resolve combines the settings of `args` (without the program's name), of `environment`, and of the file that either
// of them names. A flag wins over the environment, the environment wins over the file, and the file wins over the
// default. A value that is overridden is not checked.
std::variant<Resolved, Exit> Resolve(const std::vector<std::string>& args, const Environment& environment,
                                     std::string_view version);

}  // namespace tensorferry::config
