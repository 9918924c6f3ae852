#include "config/open_address.h"

#include <optional>

#include "base/loopback.h"
#include "base/text.h"

namespace tensorferry::config {

bool IsOpenAddress(std::string_view address) {
  const std::optional<Address> parsed = ParseAddress(address);
  return parsed && !parsed->is_unix && !IsLoopbackHost(parsed->host);
}

}  // namespace tensorferry::config
