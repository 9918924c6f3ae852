#include <fmt/format.h>

#include <charconv>
#include <memory>
#include <optional>
#include <utility>

#include "base/reason.h"
#include "rpc/serve/error.h"
#include "web/infer_body.h"
#include "web/infer_message.h"
#include "web/infer_response.h"
#include "web/routes.h"
#include "web/unary_route.h"
#include "web/web_peer.h"

namespace tensorferry::web {
namespace {

constexpr std::string_view kHeaderLength = "inference-header-content-length";

// Returns the number of bytes of a request's JSON, or nothing if the field that says it is no number.
std::optional<std::size_t> JsonBytes(const http::Request& request) {
  const std::vector<std::string_view> values = request.Values(kHeaderLength);
  if (values.empty()) return request.body.size();
  std::size_t nbytes = 0;
  const std::string_view text = values.front();
  const auto read = std::from_chars(text.data(), text.data() + text.size(), nbytes);
  const bool whole = read.ec == std::errc() && read.ptr == text.data() + text.size() && !text.empty();
  return whole && values.size() == 1 ? std::optional(nbytes) : std::nullopt;
}

// Returns what answers with the outputs as they are asked for. A long answer in JSON takes long to write, and the call may
// end on a thread that others need: it is written on the thread for such work.
Gateway::Answered AnswerWith(AskedOutputs asked, const RouteContext& context, const WebPeer& peer,
                             const http::Reply& reply) {
  constexpr std::size_t kLongToWrite = 64 << 10;
  const bool takes_json = !asked.wishes.all_binary();
  Gateway::Answered write =
      ReplyWith(reply, [asked = std::move(asked), &pool = context.pool, peer](const rpc::LocalAnswer& end) {
        if (!end.status.ok()) return ErrorOf(end.status);
        InferAnswer answer;
        if (!ReadInferAnswer(end.message, answer)) return ErrorOf({grpc::INTERNAL, "the answer cannot be read"});
        return InferResponse(std::move(answer), asked, {pool, &peer});
      });
  if (!takes_json) return write;
  return [write = std::move(write), &work = context.work](rpc::LocalAnswer end) {
    if (end.message.Length() < kLongToWrite) return write(std::move(end));
    const auto kept = std::make_shared<rpc::LocalAnswer>(std::move(end));
    work.Post([write, kept] { write(std::move(*kept)); });
  };
}

void Infer(const RouteContext& context, const http::Request& request, const http::Reply& reply) {
  const auto json_bytes = JsonBytes(request);
  if (!json_bytes) {
    return reply(http::ErrorResponse({.status = 400,
                                      .message = std::string(kHeaderLength) + " is no number",
                                      .expected = "the bytes of the body's JSON, once",
                                      .actual = "something else",
                                      .reason = std::string(Info(Reason::kBadHeader).name)}));
  }
  const WebPeer peer(request);
  auto body = ReadInferBody(request.body, *json_bytes,
                            {.element_bytes = context.max_message_bytes, .pool = {context.pool, &peer}});
  if (!body.ok()) return reply(ErrorOf(rpc::ToGrpcStatus(body.status())));
  body->message.set_model_name(request.path_values.front());
  if (request.path_values.size() > 1) body->message.set_model_version(request.path_values[1]);
  std::uint64_t made_bytes = 0;
  for (const RawInput& input : body->raw) made_bytes += input.made ? input.made->text().size() : 0;
  AskedOutputs asked{.outputs = body->message.outputs(), .wishes = body->wishes};
  Gateway::Answered answer = AnswerWith(std::move(asked), context, peer, reply);
  context.gateway.Call("/inference.GRPCInferenceService/ModelInfer", request,
                       InferMessage(*std::move(body), request.body_owner), std::move(answer), made_bytes);
}

}  // namespace

std::vector<http::Route> InferRoutes(const RouteContext& context) {
  std::vector<http::Route> routes;
  for (const char* const path : {"/v2/models/{}/infer", "/v2/models/{}/versions/{}/infer"}) {
    routes.push_back({.path = path,
                      .purpose = "runs the model",
                      .roles = RolesOf("ModelInfer"),
                      .answer = nullptr,
                      .methods = kPost,
                      .answer_later = [context](const http::Request& request,
                                                const http::Reply& reply) { Infer(context, request, reply); },
                      .packs_answer = true});
  }
  return routes;
}

}  // namespace tensorferry::web
