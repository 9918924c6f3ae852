// The frames of gRPC-Web: what a body holds in the place of gRPC's messages and trailers.
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md
#pragma once

#include <grpcpp/support/status.h>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "http/message.h"

namespace tensorferry::web {

// FrameHead stands before each frame: what it is, and how many bytes it has.
using FrameHead = std::array<char, 5>;

// Returns the head of a message.
FrameHead MessageHead(std::uint32_t nbytes);

// Returns the messages of a request's body, which they borrow; or what is wrong with the body.
std::variant<std::vector<std::string_view>, http::Problem> ReadMessages(std::string_view body);

// Returns the frame that ends an answer: the status, and the trailing metadata of the call.
std::string TrailersFrame(const grpc::Status& status, const std::multimap<std::string, std::string>& metadata);

}  // namespace tensorferry::web
