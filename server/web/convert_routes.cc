#include <memory>
#include <utility>
#include <variant>

#include "web/convert_job.h"
#include "web/routes.h"
#include "web/unary_route.h"

namespace tensorferry::web {
namespace {

void Convert(const RouteContext& context, http::Request request, const http::Reply& reply) {
  auto wish = ReadConvertWish(request);
  if (auto* const refusal = std::get_if<http::Response>(&wish)) return reply(std::move(*refusal));
  std::make_shared<ConvertJob>(context, std::move(request), std::get<ConvertWish>(std::move(wish)), reply)->Start();
}

}  // namespace

std::vector<http::Route> ConvertRoutes(const RouteContext& context) {
  return {{.path = "/v1/convert",
           .purpose = "converts the arrays of a .npy, .npz or safetensors file, and answers with receipts",
           .roles = RolesOfMethod("tensorferry.v1.TensorService.Convert"),
           .answer = nullptr,
           .methods = kPost,
           .answer_later = [context](http::Request request,
                                     const http::Reply& reply) { Convert(context, std::move(request), reply); },
           .packs_answer = true}};
}

}  // namespace tensorferry::web
