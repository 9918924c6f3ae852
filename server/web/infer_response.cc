#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "http/error_response.h"
#include "web/infer_message.h"
#include "web/tensor_text.h"

namespace tensorferry::web {
namespace {

using Json = nlohmann::ordered_json;
using Parameters = google::protobuf::Map<std::string, inference::InferParameter>;

Json ValueOf(const inference::InferParameter& parameter) {
  switch (parameter.parameter_choice_case()) {
    case inference::InferParameter::kBoolParam: return parameter.bool_param();
    case inference::InferParameter::kInt64Param: return parameter.int64_param();
    case inference::InferParameter::kStringParam: return parameter.string_param();
    case inference::InferParameter::kDoubleParam: return parameter.double_param();
    case inference::InferParameter::kUint64Param: return parameter.uint64_param();
    case inference::InferParameter::PARAMETER_CHOICE_NOT_SET: return nullptr;
  }
  __builtin_unreachable();
}

Json ObjectOf(const Parameters& parameters) {
  Json object = Json::object();
  for (const auto& [name, value] : parameters) object[name] = ValueOf(value);
  return object;
}

bool IsBinary(const std::string& name, const InferBody& asked) {
  for (int i = 0; i < asked.message.outputs_size(); ++i) {
    if (asked.message.outputs(i).name() == name) return asked.binary[static_cast<std::size_t>(i)];
  }
  return asked.binary_by_default;
}

std::string Dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

http::Response Unsayable(const std::string& name, const std::string& datatype) {
  return http::ErrorResponse(
      {.status = 400,
       .message = fmt::format("JSON has no form for the elements of output '{}': ask for binary data", name),
       .expected = "\"parameters\": {\"binary_data\": true}",
       .actual = datatype,
       .reason = "UNSUPPORTED_DTYPE"});
}

}  // namespace

http::Response InferResponse(InferAnswer answer, const InferBody& asked) {
  http::Response response{.content_type = std::string(http::kJsonType)};
  Json head = {{"model_name", answer.message.model_name()}, {"model_version", answer.message.model_version()}};
  if (!answer.message.id().empty()) head["id"] = answer.message.id();
  if (answer.message.parameters_size() > 0) head["parameters"] = ObjectOf(answer.message.parameters());
  std::string& json = response.body;
  json = Dump(head);
  json.pop_back();
  json += R"(,"outputs":[)";
  bool any_binary = false;
  for (int i = 0; i < answer.message.outputs_size(); ++i) {
    const auto& output = answer.message.outputs(i);
    Json told = {{"name", output.name()},
                 {"datatype", output.datatype()},
                 {"shape", std::vector<std::int64_t>(output.shape().begin(), output.shape().end())}};
    Json parameters = ObjectOf(output.parameters());
    const bool shared = output.parameters().contains("shared_memory_region");
    const auto index = static_cast<std::size_t>(i);
    std::vector<std::string_view> pieces =
        index < answer.raw.size() ? std::move(answer.raw[index]) : std::vector<std::string_view>();
    const bool binary = !shared && IsBinary(output.name(), asked);
    if (binary) {
      std::size_t nbytes = 0;
      for (const std::string_view piece : pieces) nbytes += piece.size();
      parameters["binary_data_size"] = nbytes;
      response.pieces.insert(response.pieces.end(), pieces.begin(), pieces.end());
      any_binary = true;
    }
    if (!parameters.empty()) told["parameters"] = std::move(parameters);
    if (i > 0) json += ',';
    json += Dump(told);
    if (binary || shared) continue;
    json.pop_back();
    json += R"(,"data":)";
    std::string elements;
    for (const std::string_view piece : pieces) elements += piece;
    const auto type = TextTypeOf(output.datatype());
    if (!type || !AppendElements(*type, elements, json)) return Unsayable(output.name(), output.datatype());
    json += '}';
  }
  json += "]}";
  if (any_binary) {
    response.content_type = "application/octet-stream";
    response.fields.push_back({"Inference-Header-Content-Length", std::to_string(json.size())});
    response.owner = std::move(answer.owner);
  }
  return response;
}

}  // namespace tensorferry::web
