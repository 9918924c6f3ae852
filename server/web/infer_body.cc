#include "web/infer_body.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/status.h"
#include "web/infer_sax.h"

namespace tensorferry::web {
namespace {

using Json = nlohmann::json;
using Parameters = google::protobuf::Map<std::string, inference::InferParameter>;

absl::Status Wrong(std::string_view what, std::string_view expected, const Json& value) {
  return MakeError(Reason::kBadHeader, fmt::format("{} has the wrong type in the request's JSON", what),
                   {.field = std::string(what), .expected = std::string(expected), .actual = value.type_name()});
}

absl::StatusOr<std::string> TextOf(const Json& object, const char* name) {
  const auto value = object.find(name);
  if (value == object.end()) return std::string();
  if (!value->is_string()) return Wrong(name, "a string", *value);
  return value->get<std::string>();
}

// Takes the parameter `name` out of `object`'s parameters, if it is there.
std::optional<Json> Take(Json& parameters, const char* name) {
  const auto value = parameters.find(name);
  if (value == parameters.end()) return std::nullopt;
  Json taken = std::move(*value);
  parameters.erase(value);
  return taken;
}

absl::StatusOr<bool> TakeSwitch(Json& parameters, const char* name, bool otherwise) {
  const auto value = Take(parameters, name);
  if (!value) return otherwise;
  if (!value->is_boolean()) return Wrong(name, "true or false", *value);
  return value->get<bool>();
}

absl::StatusOr<Json> ParametersOf(const Json& object) {
  const auto value = object.find("parameters");
  if (value == object.end()) return Json::object();
  if (!value->is_object()) return Wrong("parameters", "an object", *value);
  return *value;
}

absl::Status AddParameters(const Json& from, Parameters& to) {
  for (const auto& [name, value] : from.items()) {
    inference::InferParameter& parameter = to[name];
    if (value.is_boolean()) {
      parameter.set_bool_param(value.get<bool>());
    } else if (value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX) {
      parameter.set_uint64_param(value.get<std::uint64_t>());
    } else if (value.is_number_integer()) {
      parameter.set_int64_param(value.get<std::int64_t>());
    } else if (value.is_number_float()) {
      parameter.set_double_param(value.get<double>());
    } else if (value.is_string()) {
      parameter.set_string_param(value.get<std::string>());
    } else {
      return Wrong("parameters", "a string, a number, true or false", value);
    }
  }
  return absl::OkStatus();
}

absl::Status AddShape(const Json& object, inference::ModelInferRequest::InferInputTensor& input) {
  const auto shape = object.find("shape");
  if (shape == object.end()) return absl::OkStatus();
  if (!shape->is_array()) return Wrong("shape", "a list of whole numbers", *shape);
  for (const Json& size : *shape) {
    if (!size.is_number_integer() || (size.is_number_unsigned() && size.get<std::uint64_t>() > INT64_MAX)) {
      return Wrong("shape", "a list of whole numbers", size);
    }
    input.add_shape(size.get<std::int64_t>());
  }
  return absl::OkStatus();
}

// BodyReader makes an InferBody of what InferSax has read.
class BodyReader {
 public:
  BodyReader(InferSax& sax, std::string_view rest) : sax_(sax), rest_(rest) {}

  absl::StatusOr<InferBody> Read() {
    const Json& tree = sax_.tree();
    if (!tree.is_object()) return Wrong("body", "an object", tree);
    TENSORFERRY_ASSIGN_OR_RETURN(const std::string id, TextOf(tree, "id"));
    body_.message.set_id(id);
    TENSORFERRY_ASSIGN_OR_RETURN(Json parameters, ParametersOf(tree));
    TENSORFERRY_ASSIGN_OR_RETURN(body_.wishes.binary_by_default, TakeSwitch(parameters, "binary_data_output", false));
    TENSORFERRY_RETURN_IF_ERROR(AddParameters(parameters, *body_.message.mutable_parameters()));
    const auto inputs = tree.find("inputs");
    if (inputs == tree.end()) {
      return MakeError(Reason::kBadHeader, "inputs is missing in the request's JSON",
                       {.field = "inputs", .expected = "a list"});
    }
    if (!inputs->is_array()) return Wrong("inputs", "a list", *inputs);
    for (std::size_t i = 0; i < inputs->size(); ++i) TENSORFERRY_RETURN_IF_ERROR(AddInput((*inputs)[i], i));
    if (!rest_.empty()) {
      return MakeError(Reason::kTrailingBytes, "the body is longer than its JSON and the binary data of its inputs",
                       {.field = "binary_data_size", .actual = fmt::format("{} bytes more", rest_.size())});
    }
    if (const auto outputs = tree.find("outputs"); outputs != tree.end()) {
      if (!outputs->is_array()) return Wrong("outputs", "a list", *outputs);
      for (const Json& output : *outputs) TENSORFERRY_RETURN_IF_ERROR(AddOutput(output));
    }
    return std::move(body_);
  }

 private:
  absl::Status AddInput(const Json& object, std::size_t i) {
    if (!object.is_object()) return Wrong("inputs", "a list of objects", object);
    auto& input = *body_.message.add_inputs();
    TENSORFERRY_ASSIGN_OR_RETURN(const std::string name, TextOf(object, "name"));
    TENSORFERRY_ASSIGN_OR_RETURN(const std::string datatype, TextOf(object, "datatype"));
    input.set_name(name);
    input.set_datatype(datatype);
    TENSORFERRY_RETURN_IF_ERROR(AddShape(object, input));
    TENSORFERRY_ASSIGN_OR_RETURN(Json parameters, ParametersOf(object));
    const auto binary = Take(parameters, "binary_data_size");
    TENSORFERRY_RETURN_IF_ERROR(AddParameters(parameters, *input.mutable_parameters()));
    const bool has_data = i < sax_.elements().size() && sax_.elements()[i];
    const bool is_shared = parameters.contains("shared_memory_region");
    if (int{has_data} + int{binary.has_value()} + int{is_shared} != 1) {
      return InArray(
          name, MakeError(Reason::kConflictingFields,
                          "an input has one of data, binary_data_size and shared_memory_region", {.field = "data"}));
    }
    if (is_shared) return absl::OkStatus();
    if (has_data) {
      body_.raw.push_back({.made = std::move(sax_.elements()[i])});
      return absl::OkStatus();
    }
    return TakeBinary(name, *binary);
  }

  absl::Status TakeBinary(const std::string& name, const Json& size) {
    if (!size.is_number_unsigned()) return Wrong("binary_data_size", "a number of at least 0", size);
    const auto nbytes = size.get<std::uint64_t>();
    if (nbytes > rest_.size()) {
      return InArray(name, MakeError(Reason::kSizeMismatch,
                                     fmt::format("binary_data_size is {}, and {} bytes of the body are left", nbytes,
                                                 rest_.size()),
                                     {.field = "binary_data_size",
                                      .expected = fmt::format("{}", nbytes),
                                      .actual = fmt::format("{}", rest_.size())}));
    }
    body_.raw.push_back({.sent = rest_.substr(0, nbytes)});
    rest_.remove_prefix(nbytes);
    return absl::OkStatus();
  }

  absl::Status AddOutput(const Json& object) {
    if (!object.is_object()) return Wrong("outputs", "a list of objects", object);
    auto& output = *body_.message.add_outputs();
    TENSORFERRY_ASSIGN_OR_RETURN(const std::string name, TextOf(object, "name"));
    output.set_name(name);
    TENSORFERRY_ASSIGN_OR_RETURN(Json parameters, ParametersOf(object));
    TENSORFERRY_ASSIGN_OR_RETURN(const bool binary,
                                 TakeSwitch(parameters, "binary_data", body_.wishes.binary_by_default));
    body_.wishes.binary.push_back(binary);
    return AddParameters(parameters, *output.mutable_parameters());
  }

  InferSax& sax_;
  std::string_view rest_;
  InferBody body_;
};

std::vector<std::string> DatatypesOf(const Json& tree) {
  std::vector<std::string> datatypes;
  for (const Json& input : tree.at("inputs")) {
    const auto datatype = input.find("datatype");
    datatypes.push_back(datatype != input.end() && datatype->is_string() ? datatype->get<std::string>() : "");
  }
  return datatypes;
}

absl::StatusOr<InferBody> ReadBody(std::string_view body, std::size_t json_bytes, const BodyLimits& limits) {
  const std::string_view json = body.substr(0, json_bytes);
  TENSORFERRY_ASSIGN_OR_RETURN(const auto tokens, RoomForTokens(json, limits.pool));
  const std::uint64_t held = body.size() + tokens.nbytes();
  InferSax first(limits, held, {});
  if (!Json::sax_parse(json, &first)) return first.error();
  if (!first.skipped()) return BodyReader(first, body.substr(json_bytes)).Read();
  InferSax second(limits, held, DatatypesOf(first.tree()));
  if (!Json::sax_parse(json, &second)) return second.error();
  return BodyReader(second, body.substr(json_bytes)).Read();
}

// The protocol's word for an array is input.
std::string InferWord(std::string_view term) { return term == "array" ? "input" : std::string(term); }

}  // namespace

absl::StatusOr<InferBody> ReadInferBody(std::string_view body, std::size_t json_bytes, const BodyLimits& limits) {
  if (json_bytes > body.size()) {
    return MakeError(
        Reason::kSizeMismatch,
        fmt::format("inference-header-content-length is {}, and the body has {} bytes", json_bytes, body.size()),
        {.field = "inference-header-content-length"});
  }
  absl::StatusOr<InferBody> read = ReadBody(body, json_bytes, limits);
  if (!read.ok()) return WithMessage(Reworded(read.status(), InferWord), read.status());
  return read;
}

}  // namespace tensorferry::web
