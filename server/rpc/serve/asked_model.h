#pragma once

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/utf8.h"
#include "rpc/serve/call_record.h"

namespace tensorferry::rpc {

// AskedModel is the model that a request names, as it came. Borrows the request.
struct AskedModel {
  std::string_view name;
  std::string_view version;
};

// Records the model that a refused request names: nobody else knows which one was meant. The texts come from the wire, so
// they are cut, and made printable.
inline void RecordAskedModel(const AskedModel& asked, CallRecord& record) {
  constexpr std::size_t kMaxTextBytes = 128;
  record.model = Printable(asked.name, kMaxTextBytes);
  record.model_version = Printable(asked.version, kMaxTextBytes);
}

// Returns the model that a message of a management method names. Other messages name none: in those of shared memory
// `name` is a region's. Loads have no version, and KServe's clients put the model where Triton's put the repository.
template <typename Request>
AskedModel AskedModelOf(const Request& request) {
  constexpr bool kHasVersion = requires { request.version(); };
  if constexpr (requires {
                  request.model_name();
                  request.repository_name();
                }) {
    return {request.model_name().empty() ? request.repository_name() : request.model_name(), ""};
  } else if constexpr (requires { request.model_name(); }) {
    return {request.model_name(), ""};
  } else if constexpr (kHasVersion && requires { request.name(); }) {
    return {request.name(), request.version()};
  } else {
    return {};
  }
}

}  // namespace tensorferry::rpc
