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

// Wish is how an output is to come.
struct Wish {
  bool binary = false;
  Json shared = Json::object();  // The parameters of the place in shared memory; empty: there is none.
};

Wish WishFor(const std::string& name, const InferBody& asked) {
  for (int i = 0; i < asked.message.outputs_size(); ++i) {
    const auto& output = asked.message.outputs(i);
    if (output.name() != name) continue;
    if (output.parameters().contains("shared_memory_region")) return {.shared = ObjectOf(output.parameters())};
    return {.binary = asked.binary[static_cast<std::size_t>(i)]};
  }
  return {.binary = asked.binary_by_default};
}

// Returns the object without its closing brace.
std::string OpenObject(const Json& object) {
  std::string text = object.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.pop_back();
  return text;
}

http::Response Unsayable(const std::string& name, const std::string& datatype) {
  return http::ErrorResponse(
      {.status = 400,
       .message = fmt::format("JSON has no form for the elements of output '{}': ask for binary data", name),
       .expected = "\"parameters\": {\"binary_data\": true}",
       .actual = datatype,
       .reason = "UNSUPPORTED_DTYPE"});
}

// AnswerWriter writes one output after the other.
class AnswerWriter {
 public:
  AnswerWriter(InferAnswer& answer, const InferBody& asked) : answer_(answer), asked_(asked) {
    const inference::ModelInferResponse& message = answer.message;
    Json head = {{"model_name", message.model_name()}, {"model_version", message.model_version()}};
    if (!message.id().empty()) head["id"] = message.id();
    if (message.parameters_size() > 0) head["parameters"] = ObjectOf(message.parameters());
    response_.body = OpenObject(head) + R"(,"outputs":[)";
  }

  // Returns false if JSON has no form for the elements, and they are wanted in JSON.
  bool Add(int i) {
    const auto& output = answer_.message.outputs(i);
    Json told = {{"name", output.name()},
                 {"datatype", output.datatype()},
                 {"shape", std::vector<std::int64_t>(output.shape().begin(), output.shape().end())}};
    Json parameters = ObjectOf(output.parameters());
    const auto index = static_cast<std::size_t>(i);
    const Pieces pieces = index < answer_.raw.size() ? std::move(answer_.raw[index]) : Pieces();
    const Wish wish = WishFor(output.name(), asked_);
    if (wish.binary) parameters["binary_data_size"] = AddBinary(pieces);
    parameters.update(wish.shared);
    if (!parameters.empty()) told["parameters"] = std::move(parameters);
    if (i > 0) response_.body += ',';
    response_.body += OpenObject(told);
    if (!wish.binary && wish.shared.empty() && !AddData(output.datatype(), pieces)) return false;
    response_.body += '}';
    return true;
  }

  http::Response Finish() && {
    response_.body += "]}";
    if (any_binary_) {
      response_.content_type = "application/octet-stream";
      response_.fields.push_back({"Inference-Header-Content-Length", std::to_string(response_.body.size())});
      response_.owner = std::move(answer_.owner);
    }
    return std::move(response_);
  }

 private:
  using Pieces = std::vector<std::string_view>;

  std::size_t AddBinary(const Pieces& pieces) {
    std::size_t nbytes = 0;
    for (const std::string_view piece : pieces) nbytes += piece.size();
    response_.pieces.insert(response_.pieces.end(), pieces.begin(), pieces.end());
    any_binary_ = true;
    return nbytes;
  }

  bool AddData(const std::string& datatype, const Pieces& pieces) {
    std::string elements;
    for (const std::string_view piece : pieces) elements += piece;
    response_.body += R"(,"data":)";
    const auto type = TextTypeOf(datatype);
    return type && AppendElements(*type, elements, response_.body);
  }

  InferAnswer& answer_;
  const InferBody& asked_;
  http::Response response_{.content_type = std::string(http::kJsonType)};
  bool any_binary_ = false;
};

}  // namespace

http::Response InferResponse(InferAnswer answer, const InferBody& asked) {
  AnswerWriter writer(answer, asked);
  for (int i = 0; i < answer.message.outputs_size(); ++i) {
    const auto& output = answer.message.outputs(i);
    if (!writer.Add(i)) return Unsayable(output.name(), output.datatype());
  }
  return std::move(writer).Finish();
}

}  // namespace tensorferry::web
