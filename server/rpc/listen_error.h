#pragma once

#include <string>

namespace tensorferry::rpc {

// Returns the system's reason why a server cannot listen on `address`, such as "address already in use". gRPC does not
// tell, so the address is tried again; the text says if it can be listened on by now.
// Address: HOST:PORT, [IPV6]:PORT or unix:PATH.
std::string ReasonNotToListen(const std::string& address);

// Returns whether another server listens at `address`, a unix: path. gRPC would take the path over, and the other
// server would go on without a caller. A path that a server left behind is free. False for other addresses, which the
// system does not give twice.
bool IsTaken(const std::string& address);

}  // namespace tensorferry::rpc
