// A route that is one unary call of the Open Inference Protocol.
#pragma once

#include <grpcpp/impl/codegen/proto_utils.h>

#include <algorithm>
#include <exception>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/reason.h"
#include "http/error_response.h"
#include "http/router.h"
#include "rpc/access_rules.h"
#include "rpc/serve/error.h"
#include "web/counted_text.h"
#include "web/error_body.h"
#include "web/gateway.h"
#include "web/routes.h"
#include "web/web_peer.h"

namespace tensorferry::web {

inline constexpr std::string_view kService = "inference.GRPCInferenceService";

inline const std::vector<std::string> kRead{"GET", "HEAD"};
inline const std::vector<std::string> kPost{"POST"};

inline constexpr unsigned kNo = 400;  // The protocol says that 4xx means no.

// Returns who may call a method, such as `tensorferry.v1.TensorService.Convert`.
inline security::Roles RolesOfMethod(std::string_view name) {
  const auto rules = rpc::AccessRules();
  const auto rule = std::ranges::find(rules, name, &rpc::AccessRule::method);
  return rule == rules.end() ? security::Roles(security::Role::kAdmin) : rule->roles;
}

// Returns who may call `inference.GRPCInferenceService.METHOD`.
inline security::Roles RolesOf(std::string_view method) {
  return RolesOfMethod(std::string(kService) + "." + std::string(method));
}

inline http::Response JsonResponse(const nlohmann::ordered_json& body, unsigned status = 200) {
  // A name of a model may be any bytes.
  return {.status = status,
          .content_type = std::string(http::kJsonType),
          .body = body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace)};
}

// Returns the answer to a question of health: callers read it from the status, or from what is added to `body`.
inline http::Response YesOrNo(std::string_view question, bool yes,
                              nlohmann::ordered_json body = nlohmann::ordered_json::object()) {
  body[std::string(question)] = yes;
  return JsonResponse(body, yes ? 200 : kNo);
}

// BadBody says why a body is not the one of a request. Its reason is BAD_HEADER where it has none.
struct BadBody {
  http::Problem problem;
};

// Returns the JSON object of a body, or an empty object if there is no body. Throws BadBody.
nlohmann::json ObjectOf(const http::Request& request);

// Admits the memory that ObjectOf and what is made of its tree take, for a body of so many bytes.
// Errors: those of MemoryBudget::Reserve.
inline absl::StatusOr<MemoryBudget::Reservation> RoomForJson(std::size_t nbytes, const PoolFor& pool) {
  constexpr std::size_t kCopies = 8;
  return nbytes <= CountedText::kUncounted ? MemoryBudget::Reservation() : pool.Reserve(kCopies * nbytes);
}

// UnaryRoute says how the request of one method is made from HTTP's, and HTTP's answer from its response.
template <typename Message, typename Answer>
struct UnaryRoute {
  std::string path;
  std::string purpose;
  std::string method;
  std::vector<std::string> http_methods;
  std::function<Message(const http::Request&)> ask;  // May throw BadBody.
  std::function<http::Response(const Answer&)> answer;
  // Makes HTTP's answer in place of `answer` where it says the name of the path's model, which the response does not.
  std::function<http::Response(const Answer&, const std::string& model)> answer_naming = nullptr;
};

template <typename Message, typename Answer>
http::Route RouteOf(const RouteContext& context, UnaryRoute<Message, Answer> route) {
  const security::Roles roles = RolesOf(route.method);
  const auto serve = [context, method = "/" + std::string(kService) + "/" + route.method, ask = std::move(route.ask),
                      answer = std::move(route.answer), answer_naming = std::move(route.answer_naming)](
                         const http::Request& request, const http::Reply& reply) {
    try {
      const WebPeer peer(request);
      const auto room = RoomForJson(request.body.size(), {context.pool, &peer});
      if (!room.ok()) return reply(ErrorOf(rpc::ToGrpcStatus(room.status())));
      const Message message = ask(request);
      grpc::ByteBuffer bytes;
      bool own = false;
      grpc::SerializationTraits<Message>::Serialize(message, &bytes, &own);
      context.gateway.Call(
          method, request, std::move(bytes),
          ReplyWith(reply, [answer, answer_naming,
                            model = answer_naming ? request.path_values.front() : ""](const rpc::LocalAnswer& end) {
            if (!end.status.ok()) return ErrorOf(end.status);
            Answer response;
            grpc::ByteBuffer read = end.message;
            if (!grpc::SerializationTraits<Answer>::Deserialize(&read, &response).ok()) {
              return ErrorOf({grpc::INTERNAL, "the answer cannot be read"});
            }
            return answer_naming ? answer_naming(response, model) : answer(response);
          }));
    } catch (BadBody& bad) {
      if (bad.problem.reason.empty()) bad.problem.reason = Info(Reason::kBadHeader).name;
      reply(http::ErrorResponse(bad.problem));
    }
  };
  return {.path = std::move(route.path),
          .purpose = std::move(route.purpose),
          .roles = roles,
          .answer = nullptr,
          .methods = std::move(route.http_methods),
          .answer_later = serve};
}

}  // namespace tensorferry::web
