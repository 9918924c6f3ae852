#include <fmt/format.h>

#include "absl/strings/escaping.h"
#include "inference/grpc_service.pb.h"
#include "web/proto_json.h"
#include "web/routes.h"
#include "web/unary_route.h"

namespace tensorferry::web {
namespace {

using Json = nlohmann::json;

BadBody WrongType(const std::string& name, std::string expected, const Json& value) {
  return {{.status = 400,
           .message = fmt::format("'{}' has the wrong type", name),
           .expected = std::move(expected),
           .actual = value.type_name()}};
}

std::string TextOf(const std::string& name, const Json& value) {
  if (!value.is_string()) throw WrongType(name, "a string", value);
  return value.get<std::string>();
}

std::uint64_t NumberOf(const std::string& name, const Json& value) {
  if (!value.is_number_unsigned()) throw WrongType(name, "a number of at least 0", value);
  return value.get<std::uint64_t>();
}

// Files of models come in base64.
void SetParameter(const std::string& name, const Json& value, inference::ModelRepositoryParameter& parameter) {
  if (name.starts_with("file:")) {
    std::string bytes;
    if (!absl::Base64Unescape(TextOf(name, value), &bytes)) throw WrongType(name, "base64", value);
    parameter.set_bytes_param(std::move(bytes));
  } else if (value.is_boolean()) {
    parameter.set_bool_param(value.get<bool>());
  } else if (value.is_number_integer()) {
    parameter.set_int64_param(value.get<std::int64_t>());
  } else {
    parameter.set_string_param(value.is_object() ? value.dump() : TextOf(name, value));
  }
}

template <typename Message>
Message OfRepository(const http::Request& request) {
  Message message;
  message.set_model_name(request.path_values.front());
  const Json body = ObjectOf(request);
  const auto parameters = body.find("parameters");
  if (parameters == body.end()) return message;
  if (!parameters->is_object()) throw WrongType("parameters", "an object", *parameters);
  for (const auto& [name, value] : parameters->items()) {
    SetParameter(name, value, (*message.mutable_parameters())[name]);
  }
  return message;
}

inference::RepositoryIndexRequest AskIndex(const http::Request& request) {
  inference::RepositoryIndexRequest message;
  const Json body = ObjectOf(request);
  const auto ready = body.find("ready");
  if (ready == body.end()) return message;
  if (!ready->is_boolean()) throw WrongType("ready", "true or false", *ready);
  message.set_ready(ready->get<bool>());
  return message;
}

// Returns the part of a message that is a list or a map, as a list.
template <typename Values>
http::Response ListOf(const Values& values) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const auto& value : values) {
    if constexpr (requires { value.second; }) {
      list.push_back(ProtoJson(value.second));
    } else {
      list.push_back(ProtoJson(value));
    }
  }
  return JsonResponse(list);
}

http::Response Nothing(const google::protobuf::Message& /*answer*/) { return {.content_type = "application/json"}; }

void AddRepository(const RouteContext& context, std::vector<http::Route>& routes) {
  routes.push_back(RouteOf<inference::RepositoryIndexRequest, inference::RepositoryIndexResponse>(
      context, {.path = "/v2/repository/index",
                .purpose = "the models of the repository and their states",
                .method = "RepositoryIndex",
                .http_methods = kPost,
                .ask = AskIndex,
                .answer = [](const auto& answer) { return ListOf(answer.models()); }}));
  routes.push_back(RouteOf<inference::RepositoryModelLoadRequest, inference::RepositoryModelLoadResponse>(
      context, {.path = "/v2/repository/models/{}/load",
                .purpose = "loads the model",
                .method = "RepositoryModelLoad",
                .http_methods = kPost,
                .ask = OfRepository<inference::RepositoryModelLoadRequest>,
                .answer = Nothing}));
  routes.push_back(RouteOf<inference::RepositoryModelUnloadRequest, inference::RepositoryModelUnloadResponse>(
      context, {.path = "/v2/repository/models/{}/unload",
                .purpose = "unloads the model",
                .method = "RepositoryModelUnload",
                .http_methods = kPost,
                .ask = OfRepository<inference::RepositoryModelUnloadRequest>,
                .answer = Nothing}));
}

template <typename Message>
Message NamedRegion(const http::Request& request) {
  Message message;
  if (!request.path_values.empty()) message.set_name(request.path_values.front());
  return message;
}

inference::SystemSharedMemoryRegisterRequest AskSystem(const http::Request& request) {
  auto message = NamedRegion<inference::SystemSharedMemoryRegisterRequest>(request);
  const Json body = ObjectOf(request);
  message.set_key(TextOf("key", body.value("key", Json())));
  message.set_offset(NumberOf("offset", body.value("offset", Json(0U))));
  message.set_byte_size(NumberOf("byte_size", body.value("byte_size", Json())));
  return message;
}

inference::CudaSharedMemoryRegisterRequest AskCuda(const http::Request& request) {
  auto message = NamedRegion<inference::CudaSharedMemoryRegisterRequest>(request);
  const Json body = ObjectOf(request);
  const Json handle = body.value("raw_handle", Json());
  if (!handle.is_object()) throw WrongType("raw_handle", "an object with b64", handle);
  std::string bytes;
  if (!absl::Base64Unescape(TextOf("b64", handle.value("b64", Json())), &bytes)) {
    throw WrongType("b64", "base64", handle);
  }
  message.set_raw_handle(std::move(bytes));
  message.set_device_id(static_cast<std::int64_t>(NumberOf("device_id", body.value("device_id", Json(0U)))));
  message.set_byte_size(NumberOf("byte_size", body.value("byte_size", Json())));
  return message;
}

// SharedMemory names the routes of one kind of shared memory.
struct SharedMemory {
  std::string path;    // "/v2/systemsharedmemory".
  std::string method;  // "SystemSharedMemory".
};

template <typename Status, typename StatusAnswer, typename Unregister, typename UnregisterAnswer>
void AddRegions(const RouteContext& context, const SharedMemory& kind, std::vector<http::Route>& routes) {
  for (const char* const which : {"", "/region/{}"}) {
    routes.push_back(RouteOf<Status, StatusAnswer>(
        context, {.path = kind.path + which + "/status",
                  .purpose = "the regions of shared memory",
                  .method = kind.method + "Status",
                  .http_methods = kRead,
                  .ask = NamedRegion<Status>,
                  .answer = [](const auto& answer) { return ListOf(answer.regions()); }}));
    routes.push_back(RouteOf<Unregister, UnregisterAnswer>(context, {.path = kind.path + which + "/unregister",
                                                                     .purpose = "forgets regions",
                                                                     .method = kind.method + "Unregister",
                                                                     .http_methods = kPost,
                                                                     .ask = NamedRegion<Unregister>,
                                                                     .answer = Nothing}));
  }
}

void AddSharedMemory(const RouteContext& context, std::vector<http::Route>& routes) {
  using namespace inference;  // NOLINT(google-build-using-namespace): the names say whose they are.
  AddRegions<SystemSharedMemoryStatusRequest, SystemSharedMemoryStatusResponse, SystemSharedMemoryUnregisterRequest,
             SystemSharedMemoryUnregisterResponse>(
      context, {.path = "/v2/systemsharedmemory", .method = "SystemSharedMemory"}, routes);
  AddRegions<CudaSharedMemoryStatusRequest, CudaSharedMemoryStatusResponse, CudaSharedMemoryUnregisterRequest,
             CudaSharedMemoryUnregisterResponse>(
      context, {.path = "/v2/cudasharedmemory", .method = "CudaSharedMemory"}, routes);
  routes.push_back(RouteOf<SystemSharedMemoryRegisterRequest, SystemSharedMemoryRegisterResponse>(
      context, {.path = "/v2/systemsharedmemory/region/{}/register",
                .purpose = "registers a region",
                .method = "SystemSharedMemoryRegister",
                .http_methods = kPost,
                .ask = AskSystem,
                .answer = Nothing}));
  routes.push_back(RouteOf<CudaSharedMemoryRegisterRequest, CudaSharedMemoryRegisterResponse>(
      context, {.path = "/v2/cudasharedmemory/region/{}/register",
                .purpose = "registers a region of a GPU's memory",
                .method = "CudaSharedMemoryRegister",
                .http_methods = kPost,
                .ask = AskCuda,
                .answer = Nothing}));
}

}  // namespace

std::vector<http::Route> RepositoryRoutes(const RouteContext& context) {
  std::vector<http::Route> routes;
  AddRepository(context, routes);
  AddSharedMemory(context, routes);
  return routes;
}

}  // namespace tensorferry::web
