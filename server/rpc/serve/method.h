// HandlerTraits and FindMethod: the messages and the descriptor that belong to the handler of a method.
#pragma once

#include <google/protobuf/descriptor.h>

#include <cstdint>

namespace tensorferry::rpc {

enum class Streams : std::uint8_t { kNone, kResponses, kBoth };

// HandlerTraits has the messages of a member function that handles a method:
// `HandlerTraits<decltype(&TensorService::GetServerInfo)>`.
template <typename Handler>
struct HandlerTraits;

template <typename Owner, typename Result, typename RequestMessage, typename ResponseMessage, typename... Done>
struct HandlerTraits<Result (Owner::*)(const RequestMessage&, ResponseMessage&, Done...)> {
  using Request = RequestMessage;
  using Response = ResponseMessage;
};

template <typename Owner, typename Result, typename RequestMessage, typename ResponseMessage, typename... Done>
struct HandlerTraits<Result (Owner::*)(const RequestMessage&, ResponseMessage&, Done...) const> {
  using Request = RequestMessage;
  using Response = ResponseMessage;
};

// Returns the method that takes `request` messages and answers with `response` messages, of a service in the same file
// as `request`. Throws std::logic_error unless exactly one method does.
const google::protobuf::MethodDescriptor& FindMethod(const google::protobuf::Descriptor& request,
                                                     const google::protobuf::Descriptor& response, Streams streams);

}  // namespace tensorferry::rpc
