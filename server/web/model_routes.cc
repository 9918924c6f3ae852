#include <string>
#include <utility>

#include "inference/grpc_service.pb.h"
#include "web/proto_json.h"
#include "web/routes.h"
#include "web/unary_route.h"

namespace tensorferry::web {
namespace {

// Makes the message of a method that names a model, and perhaps its version, in the path.
template <typename Message>
Message Named(const http::Request& request) {
  Message message;
  if (!request.path_values.empty()) message.set_name(request.path_values.front());
  if (request.path_values.size() > 1) message.set_version(request.path_values[1]);
  return message;
}

template <typename Message, typename Answer>
void AddNamed(const RouteContext& context, const UnaryRoute<Message, Answer>& route, std::vector<http::Route>& routes) {
  for (const char* const model : {"/v2/models/{}", "/v2/models/{}/versions/{}"}) {
    UnaryRoute<Message, Answer> made = route;
    made.path = model + route.path;
    routes.push_back(RouteOf(context, std::move(made)));
  }
}

http::Response Statistics(const inference::ModelStatisticsResponse& answer) { return JsonResponse(ProtoJson(answer)); }

// The route of all models stands before those of one, which may be named `stats`.
void AddStatistics(const RouteContext& context, std::vector<http::Route>& routes) {
  const UnaryRoute<inference::ModelStatisticsRequest, inference::ModelStatisticsResponse> statistics{
      .path = "/stats",
      .purpose = "how often the model ran, and how long",
      .method = "ModelStatistics",
      .http_methods = kRead,
      .ask = Named<inference::ModelStatisticsRequest>,
      .answer = Statistics};
  AddNamed(context, statistics, routes);
  auto of_all = statistics;
  of_all.path = "/v2/models/stats";
  of_all.purpose = "how often each model ran, and how long";
  routes.insert(routes.begin(), RouteOf(context, std::move(of_all)));
}

}  // namespace

std::vector<http::Route> ModelRoutes(const RouteContext& context) {
  std::vector<http::Route> routes;
  AddNamed<inference::ModelReadyRequest, inference::ModelReadyResponse>(
      context,
      {.path = "/ready",
       .purpose = "whether the model is ready",
       .method = "ModelReady",
       .http_methods = kRead,
       .ask = Named<inference::ModelReadyRequest>,
       .answer = nullptr,
       .answer_naming =
           [](const auto& answer, const std::string& model) {
             nlohmann::ordered_json body;
             body["name"] = model;
             return YesOrNo("ready", answer.ready(), std::move(body));
           }},
      routes);
  AddNamed<inference::ModelMetadataRequest, inference::ModelMetadataResponse>(
      context,
      {.path = "",
       .purpose = "inputs and outputs of the model",
       .method = "ModelMetadata",
       .http_methods = kRead,
       .ask = Named<inference::ModelMetadataRequest>,
       .answer = [](const auto& answer) { return JsonResponse(ProtoJson(answer)); }},
      routes);
  AddNamed<inference::ModelConfigRequest, inference::ModelConfigResponse>(
      context,
      {.path = "/config",
       .purpose = "the model's configuration as it applies",
       .method = "ModelConfig",
       .http_methods = kRead,
       .ask = Named<inference::ModelConfigRequest>,
       .answer = [](const auto& answer) { return JsonResponse(ProtoJson(answer.config())); }},
      routes);
  AddStatistics(context, routes);
  return routes;
}

}  // namespace tensorferry::web
