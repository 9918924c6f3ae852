#pragma once

#include <string>

namespace tensorferry::rpc {

// Returns the system's reason why a server cannot listen on `address`, such as "address already in use". gRPC does not
// tell, so the address is tried again; the text says if it can be listened on by now.
// Address: HOST:PORT, [IPV6]:PORT or unix:PATH.
std::string ReasonNotToListen(const std::string& address);

}  // namespace tensorferry::rpc
