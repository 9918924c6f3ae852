#include "config/open_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/text.h"

namespace tensorferry::config {
namespace {

constexpr std::uint32_t kLoopbackNet = 127;  // 127.0.0.0/8.

bool IsLoopback(const std::string& host) {
  in_addr ipv4{};
  if (inet_pton(AF_INET, host.c_str(), &ipv4) == 1) return ntohl(ipv4.s_addr) >> 24 == kLoopbackNet;
  in6_addr ipv6{};
  if (inet_pton(AF_INET6, host.c_str(), &ipv6) != 1) return false;
  return IN6_IS_ADDR_LOOPBACK(&ipv6) || (IN6_IS_ADDR_V4MAPPED(&ipv6) && ipv6.s6_addr[12] == kLoopbackNet);
}

}  // namespace

bool IsOpenAddress(std::string_view address) {
  const std::optional<Address> parsed = ParseAddress(address);
  if (!parsed || parsed->is_unix) return false;
  std::string_view host = parsed->host;
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  return host != "localhost" && !IsLoopback(std::string(host));
}

}  // namespace tensorferry::config
