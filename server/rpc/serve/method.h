// MethodTraits and MethodOf: the types and the descriptor that belong to a request method of a generated service.
#pragma once

#include <google/protobuf/descriptor.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/async_unary_call.h>

#include <cstdint>

namespace tensorferry::rpc {

enum class Streams : std::uint8_t { kNone, kResponses, kBoth };

// MethodTraits has the types of a generated service's Request… method:
// `MethodTraits<decltype(&Service::RequestServerReady)>`.
template <typename RequestMethod>
struct MethodTraits;

template <typename Service, typename RequestType, typename ResponseType>
struct MethodTraits<void (Service::*)(grpc::ServerContext*, RequestType*,
                                      grpc::ServerAsyncResponseWriter<ResponseType>*, grpc::CompletionQueue*,
                                      grpc::ServerCompletionQueue*, void*)> {
  using Request = RequestType;
  using Response = ResponseType;
  static constexpr Streams kStreams = Streams::kNone;
};

template <typename Service, typename RequestType, typename ResponseType>
struct MethodTraits<void (Service::*)(grpc::ServerContext*, RequestType*, grpc::ServerAsyncWriter<ResponseType>*,
                                      grpc::CompletionQueue*, grpc::ServerCompletionQueue*, void*)> {
  using Request = RequestType;
  using Response = ResponseType;
  static constexpr Streams kStreams = Streams::kResponses;
};

template <typename Service, typename RequestType, typename ResponseType>
struct MethodTraits<void (Service::*)(grpc::ServerContext*, grpc::ServerAsyncReaderWriter<ResponseType, RequestType>*,
                                      grpc::CompletionQueue*, grpc::ServerCompletionQueue*, void*)> {
  using Request = RequestType;
  using Response = ResponseType;
  static constexpr Streams kStreams = Streams::kBoth;
};

// Returns the method that takes `request` messages and answers with `response` messages, of a service in the same file
// as `request`. Throws std::logic_error unless exactly one method does.
const google::protobuf::MethodDescriptor& FindMethod(const google::protobuf::Descriptor& request,
                                                     const google::protobuf::Descriptor& response, Streams streams);

// Returns the descriptor of a method whose messages generated code parses: `MethodOf<&Service::RequestServerReady>()`.
template <auto kRequestMethod>
const google::protobuf::MethodDescriptor& MethodOf() {
  using Traits = MethodTraits<decltype(kRequestMethod)>;
  return FindMethod(*Traits::Request::descriptor(), *Traits::Response::descriptor(), Traits::kStreams);
}

}  // namespace tensorferry::rpc
