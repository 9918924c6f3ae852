#pragma once

#include <grpcpp/support/slice.h>

#include <memory>
#include <string_view>

namespace tensorferry::web {

// Returns a slice that refers to `bytes` and keeps their owner.
inline grpc::Slice ReferringSlice(std::string_view bytes, const std::shared_ptr<const void>& owner) {
  return {const_cast<char*>(bytes.data()), bytes.size(),  // NOLINT: nobody writes into a slice.
          [](void* kept) { delete static_cast<std::shared_ptr<const void>*>(kept); },
          new std::shared_ptr<const void>(owner)};
}

}  // namespace tensorferry::web
