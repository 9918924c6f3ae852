#pragma once

#include <string_view>

namespace tensorferry::config {

// Returns whether another machine could reach a listener at `address`: it is no Unix socket, and its host is neither
// `localhost` nor a loopback address. Names are not looked up.
bool IsOpenAddress(std::string_view address);

}  // namespace tensorferry::config
