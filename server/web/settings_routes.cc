#include <fmt/format.h>

#include "inference/grpc_service.pb.h"
#include "web/routes.h"
#include "web/unary_route.h"

namespace tensorferry::web {
namespace {

using Json = nlohmann::json;

BadBody WrongSetting(const std::string& name, std::string expected, const Json& value) {
  return {{.status = 400,
           .message = fmt::format("the setting '{}' has a value of the wrong type", name),
           .expected = std::move(expected),
           .actual = value.type_name()}};
}

std::string TraceText(const std::string& name, const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_integer()) return value.dump();
  throw WrongSetting(name, "a string, a whole number, a list of them, or null", value);
}

inference::TraceSettingRequest AskTrace(const http::Request& request) {
  inference::TraceSettingRequest message;
  if (!request.path_values.empty()) message.set_model_name(request.path_values.front());
  const Json body = ObjectOf(request);
  for (const auto& [name, value] : body.items()) {
    auto& setting = (*message.mutable_settings())[name];
    if (value.is_null()) continue;
    if (!value.is_array()) {
      setting.add_value(TraceText(name, value));
      continue;
    }
    for (const Json& each : value) setting.add_value(TraceText(name, each));
  }
  return message;
}

// `trace_level` is a list, and the others are one text.
http::Response TellTrace(const inference::TraceSettingResponse& answer) {
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  for (const auto& [name, setting] : answer.settings()) {
    const std::vector<std::string> values(setting.value().begin(), setting.value().end());
    if (name == "trace_level") {
      object[name] = values;
    } else {
      object[name] = values.empty() ? "" : values.front();
    }
  }
  return JsonResponse(object);
}

inference::LogSettingsRequest AskLog(const http::Request& request) {
  inference::LogSettingsRequest message;
  const Json body = ObjectOf(request);
  for (const auto& [name, value] : body.items()) {
    auto& setting = (*message.mutable_settings())[name];
    if (value.is_boolean()) {
      setting.set_bool_param(value.get<bool>());
    } else if (value.is_number_unsigned() && value.get<std::uint64_t>() <= UINT32_MAX) {
      setting.set_uint32_param(value.get<std::uint32_t>());
    } else if (value.is_string()) {
      setting.set_string_param(value.get<std::string>());
    } else {
      throw WrongSetting(name, "true, false, a number or a string", value);
    }
  }
  return message;
}

http::Response TellLog(const inference::LogSettingsResponse& answer) {
  using Value = inference::LogSettingsResponse::SettingValue;
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  for (const auto& [name, setting] : answer.settings()) {
    switch (setting.parameter_choice_case()) {
      case Value::kBoolParam: object[name] = setting.bool_param(); break;
      case Value::kUint32Param: object[name] = setting.uint32_param(); break;
      case Value::kStringParam: object[name] = setting.string_param(); break;
      case Value::PARAMETER_CHOICE_NOT_SET: object[name] = nullptr; break;
    }
  }
  return JsonResponse(object);
}

}  // namespace

std::vector<http::Route> SettingsRoutes(const RouteContext& context) {
  const std::vector<std::string> read_and_post{"GET", "HEAD", "POST"};
  std::vector<http::Route> routes;
  for (const char* const path : {"/v2/trace/setting", "/v2/models/{}/trace/setting"}) {
    routes.push_back(RouteOf<inference::TraceSettingRequest, inference::TraceSettingResponse>(
        context, {.path = path,
                  .purpose = "what is traced",
                  .method = "TraceSetting",
                  .http_methods = read_and_post,
                  .ask = AskTrace,
                  .answer = TellTrace}));
  }
  routes.push_back(
      RouteOf<inference::LogSettingsRequest, inference::LogSettingsResponse>(context, {.path = "/v2/logging",
                                                                                       .purpose = "what is logged",
                                                                                       .method = "LogSettings",
                                                                                       .http_methods = read_and_post,
                                                                                       .ask = AskLog,
                                                                                       .answer = TellLog}));
  return routes;
}

}  // namespace tensorferry::web
