#include <fmt/format.h>
#include <google/protobuf/descriptor.h>

#include <map>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/escaping.h"
#include "http/error_response.h"
#include "http/read_problem.h"
#include "rpc/access_rules.h"
#include "web/counted_text.h"
#include "web/grpc_web_frames.h"
#include "web/referring_slice.h"
#include "web/routes.h"
#include "web/unary_route.h"
#include "web/web_peer.h"

namespace tensorferry::web {
namespace {

using Piece = http::BodyStream::Piece;

constexpr std::string_view kBinary = "application/grpc-web";
constexpr std::string_view kText = "application/grpc-web-text";
constexpr std::size_t kBase64Bytes = 3;  // That many bytes are four characters.
constexpr std::size_t kBase64Characters = 4;

// Form is how the bodies of a call are written: as bytes, or in base64.
struct Form {
  bool is_text = false;
  std::string type;  // As the request says it.
};

std::optional<Form> FormOf(const http::Request& request) {
  const std::vector<std::string_view> types = request.Values("content-type");
  if (types.size() != 1) return std::nullopt;
  const std::string_view type = types.front().substr(0, types.front().find(';'));
  for (const std::string_view known : {kText, kBinary}) {
    for (const std::string_view suffix : {"", "+proto"}) {
      if (http::EqualInAnyCase(type, fmt::format("{}{}", known, suffix))) {
        return Form{.is_text = known == kText, .type = std::string(type)};
      }
    }
  }
  return std::nullopt;
}

// Sent is the bytes of a request's body, and what keeps them.
struct Sent {
  std::string_view bytes;
  std::shared_ptr<const void> owner;
};

std::variant<Sent, http::Response> Decode(const http::Request& request, const PoolFor& pool) {
  const auto decoded = std::make_shared<CountedText>(pool, request.body.size());
  const std::size_t nbytes = (request.body.size() / kBase64Characters + 1) * kBase64Bytes;
  if (const absl::Status room = decoded->MakeRoom(nbytes); !room.ok()) return http::NoMemory(room);
  if (!absl::Base64Unescape({request.body.data(), request.body.size()}, &decoded->text())) {
    return http::ErrorResponse({.status = 400,
                                .message = fmt::format("the body of {} is no base64", kText),
                                .expected = "base64 with padding",
                                .actual = "something else"});
  }
  return Sent{decoded->text(), decoded};
}

// Makes room for text that the budget admits. Throws std::bad_alloc.
std::shared_ptr<CountedText> TextOf(std::size_t nbytes, const PoolFor& pool) {
  auto text = std::make_shared<CountedText>(pool);
  if (!text->MakeRoom(nbytes).ok()) throw std::bad_alloc();
  return text;
}

// Returns the piece in base64. Throws std::bad_alloc.
Piece Encoded(const Piece& piece, std::size_t nbytes, const PoolFor& pool) {
  const auto bytes = TextOf(nbytes, pool);
  for (const std::string_view part : piece.bytes) bytes->text() += part;
  const auto text = TextOf((nbytes / kBase64Bytes + 1) * kBase64Characters, pool);
  text->text() = absl::Base64Escape(bytes->text());  // It takes the place of the memory that the budget has admitted.
  return {{text->text()}, text};
}

// MessageBytes is a message that came, behind the head of its frame.
struct MessageBytes {
  FrameHead head;
  std::vector<grpc::Slice> slices;
};

Piece MessagePiece(const grpc::ByteBuffer& message, const Form& form, const PoolFor& pool) {
  auto kept = std::make_shared<MessageBytes>();
  kept->head = MessageHead(static_cast<std::uint32_t>(message.Length()));
  if (!message.Dump(&kept->slices).ok()) throw std::bad_alloc();
  Piece piece{{std::string_view(kept->head.data(), kept->head.size())}, kept};
  for (const grpc::Slice& slice : kept->slices) {
    piece.bytes.emplace_back(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return form.is_text ? Encoded(piece, kept->head.size() + message.Length(), pool) : piece;
}

Piece EndPiece(const grpc::Status& status, const grpc::ClientContext& context, const Form& form) {
  std::multimap<std::string, std::string> metadata;
  for (const auto& [key, value] : context.GetServerTrailingMetadata()) {
    metadata.emplace(std::string(key.data(), key.size()), std::string(value.data(), value.size()));
  }
  const std::string frame = TrailersFrame(status, metadata);
  const auto kept = std::make_shared<const std::string>(form.is_text ? absl::Base64Escape(frame) : frame);
  return {{*kept}, kept};
}

http::Response WrongType(const http::Request& request) {
  const std::vector<std::string_view> types = request.Values("content-type");
  return http::ErrorResponse({.status = 415,
                              .message = "this path takes gRPC-Web; gRPC itself is spoken at --listen",
                              .expected = fmt::format("content-type: {}+proto or {}+proto", kBinary, kText),
                              .actual = types.empty() ? "none" : std::string(types.front())});
}

// Method is one method of a service.
struct Method {
  std::string path;  // `/package.Service/Method`
  bool takes_one;    // Whether a call has one message.
};

void Call(const RouteContext& context, const Method& method, const http::Request& request, const http::Reply& reply) {
  auto form = FormOf(request);
  if (!form) return reply(WrongType(request));
  Sent sent{request.body, request.body_owner};
  const WebPeer peer(request);
  if (form->is_text) {
    auto decoded = Decode(request, {context.pool, &peer});
    if (auto* const refusal = std::get_if<http::Response>(&decoded)) return reply(std::move(*refusal));
    sent = std::get<Sent>(std::move(decoded));
  }
  const auto read = ReadMessages(sent.bytes);
  if (const auto* const problem = std::get_if<http::Problem>(&read)) return reply(http::ErrorResponse(*problem));
  const auto& messages = std::get<std::vector<std::string_view>>(read);
  if (method.takes_one && messages.size() != 1) {
    return reply(http::ErrorResponse({.status = 400,
                                      .message = "this method takes one message",
                                      .expected = "1 message",
                                      .actual = fmt::format("{} messages", messages.size())}));
  }
  Gateway::Streaming streaming{
      .method = method.path,
      .messages = {},
      .message_piece =
          [form = *form, &pool = context.pool, peer](const grpc::ByteBuffer& message) {
            return MessagePiece(message, form, {pool, &peer});
          },
      .end_piece = [form = *form](const grpc::Status& status,
                                  const grpc::ClientContext& call) { return EndPiece(status, call, form); }};
  for (const std::string_view message : messages) {
    const grpc::Slice slice = ReferringSlice(message, sent.owner);
    streaming.messages.emplace_back(&slice, 1);
  }
  http::Response response{.content_type = form->type};
  response.stream = context.gateway.Stream(request, std::move(streaming));
  reply(std::move(response));
}

}  // namespace

std::vector<http::Route> GrpcWebRoutes(const RouteContext& context) {
  const auto& pool = *google::protobuf::DescriptorPool::generated_pool();
  std::vector<http::Route> routes;
  for (const rpc::AccessRule& rule : rpc::AccessRules()) {
    const auto* const found = pool.FindMethodByName(std::string(rule.method));
    const Method method{.path = fmt::format("/{}/{}", found->service()->full_name(), found->name()),
                        .takes_one = !found->client_streaming()};
    routes.push_back({.path = method.path,
                      .purpose = "the gRPC method, by gRPC-Web",
                      .roles = rule.roles,
                      .answer = nullptr,
                      .methods = kPost,
                      .answer_later = [context, method](const http::Request& request, const http::Reply& reply) {
                        Call(context, method, request, reply);
                      }});
  }
  return routes;
}

}  // namespace tensorferry::web
