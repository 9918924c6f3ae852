#pragma once

#include <string_view>

namespace tensorferry {

// Returns whether `host` can only mean this machine itself: it is `localhost`, in either case, or a loopback address of
// IPv4 or IPv6, in brackets or without. Names are not looked up.
bool IsLoopbackHost(std::string_view host);

}  // namespace tensorferry
