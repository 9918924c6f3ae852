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

#include "http/error_response.h"
#include "http/router.h"
#include "rpc/access_rules.h"
#include "web/error_body.h"
#include "web/gateway.h"

namespace tensorferry::web {

inline constexpr std::string_view kService = "inference.GRPCInferenceService";

inline const std::vector<std::string> kRead{"GET", "HEAD"};
inline const std::vector<std::string> kPost{"POST"};

// Returns who may call `inference.GRPCInferenceService.METHOD`.
inline security::Roles RolesOf(std::string_view method) {
  const std::string name = std::string(kService) + "." + std::string(method);
  const auto rules = rpc::AccessRules();
  const auto rule = std::ranges::find(rules, name, &rpc::AccessRule::method);
  return rule == rules.end() ? security::Roles(security::Role::kAdmin) : rule->roles;
}

inline http::Response JsonResponse(const nlohmann::ordered_json& body) {
  // A name of a model may be any bytes.
  return {.content_type = std::string(http::kJsonType),
          .body = body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace)};
}

// Returns the JSON object of a body, or an empty object if there is no body. Throws BadBody.
struct BadBody {
  http::Problem problem;
};
nlohmann::json ObjectOf(const http::Request& request);

// UnaryRoute says how the request of one method is made from HTTP's, and HTTP's answer from its response.
template <typename Message, typename Answer>
struct UnaryRoute {
  std::string path;
  std::string purpose;
  std::string method;
  std::vector<std::string> http_methods;
  std::function<Message(const http::Request&)> ask;  // May throw BadBody.
  std::function<http::Response(const Answer&)> answer;
};

template <typename Message, typename Answer>
http::Route RouteOf(Gateway& gateway, UnaryRoute<Message, Answer> route) {
  const security::Roles roles = RolesOf(route.method);
  const auto serve = [&gateway, method = "/" + std::string(kService) + "/" + route.method, ask = std::move(route.ask),
                      answer = std::move(route.answer)](const http::Request& request, const http::Reply& reply) {
    try {
      const Message message = ask(request);
      grpc::ByteBuffer bytes;
      bool own = false;
      grpc::SerializationTraits<Message>::Serialize(message, &bytes, &own);
      gateway.Call(method, request, std::move(bytes),
                   {reply, [answer](const grpc::Status& status, const grpc::ByteBuffer& got) {
                      if (!status.ok()) return ErrorOf(status);
                      Answer response;
                      grpc::ByteBuffer read = got;
                      if (!grpc::SerializationTraits<Answer>::Deserialize(&read, &response).ok()) {
                        return ErrorOf({grpc::INTERNAL, "the answer cannot be read"});
                      }
                      return answer(response);
                    }});
    } catch (const BadBody& bad) {
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
