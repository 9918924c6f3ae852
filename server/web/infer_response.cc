#include "web/infer_response.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "base/status.h"
#include "http/error_response.h"
#include "rpc/serve/error.h"
#include "web/counted_text.h"
#include "web/error_body.h"
#include "web/tensor_text.h"

namespace tensorferry::web {
namespace {

using Ordered = nlohmann::ordered_json;
using Parameters = google::protobuf::Map<std::string, inference::InferParameter>;

Ordered ParameterJson(const inference::InferParameter& parameter) {
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

Ordered ParametersJson(const Parameters& parameters) {
  Ordered object = Ordered::object();
  for (const auto& [name, value] : parameters) object[name] = ParameterJson(value);
  return object;
}

// Wish is how an output is to come.
struct Wish {
  bool binary = false;
  bool shared = false;  // The elements go to shared memory, and are not in the answer.
};

Wish WishFor(const std::string& name, const AskedOutputs& asked) {
  for (int i = 0; i < asked.outputs.size(); ++i) {
    const auto& output = asked.outputs.Get(i);
    if (output.name() != name) continue;
    if (output.parameters().contains("shared_memory_region")) return {.shared = true};
    return {.binary = asked.wishes.binary[static_cast<std::size_t>(i)]};
  }
  return {.binary = asked.wishes.binary_by_default};
}

// Returns the object without its closing brace.
std::string OpenObject(const Ordered& object) {
  std::string text = object.dump(-1, ' ', false, Ordered::error_handler_t::replace);
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
  AnswerWriter(InferAnswer& answer, const AskedOutputs& asked, const PoolFor& pool)
      : answer_(answer), asked_(asked), pool_(pool), body_(pool) {}

  absl::Status Begin() {
    const inference::ModelInferResponse& message = answer_.message;
    Ordered head = {{"model_name", message.model_name()}, {"model_version", message.model_version()}};
    if (!message.id().empty()) head["id"] = message.id();
    if (message.parameters_size() > 0) head["parameters"] = ParametersJson(message.parameters());
    return Append(OpenObject(head) + R"(,"outputs":[)");
  }

  // Returns false if JSON cannot say the elements, and they are wanted in JSON.
  absl::StatusOr<bool> Add(int i) {
    const auto& output = answer_.message.outputs(i);
    Ordered told = {{"name", output.name()},
                    {"datatype", output.datatype()},
                    {"shape", std::vector<std::int64_t>(output.shape().begin(), output.shape().end())}};
    Ordered parameters = ParametersJson(output.parameters());
    const auto index = static_cast<std::size_t>(i);
    const Pieces pieces = index < answer_.raw.size() ? std::move(answer_.raw[index]) : Pieces();
    const Wish wish = WishFor(output.name(), asked_);
    if (wish.binary) parameters["binary_data_size"] = AddBinary(pieces);
    // Triton's C++ client takes each output with parameters for one whose elements follow.
    if (!parameters.empty() && !wish.shared) told["parameters"] = std::move(parameters);
    TENSORFERRY_RETURN_IF_ERROR(Append((i > 0 ? "," : "") + OpenObject(told)));
    if (!wish.binary && !wish.shared) {
      TENSORFERRY_ASSIGN_OR_RETURN(const bool is_said, AddData(output.datatype(), pieces));
      if (!is_said) return false;
    }
    TENSORFERRY_RETURN_IF_ERROR(Append("}"));
    return true;
  }

  absl::StatusOr<http::Response> Finish() && {
    TENSORFERRY_RETURN_IF_ERROR(Append("]}"));
    response_.body = std::move(body_.text());
    if (any_binary_) {
      response_.content_type = "application/octet-stream";
      response_.fields.push_back({"Inference-Header-Content-Length", std::to_string(response_.body.size())});
    }
    // The answer's elements lie in `first`, and the budget has admitted the body by `second`.
    using Owner = std::pair<std::shared_ptr<const void>, MemoryBudget::Reservation>;
    if (any_binary_) response_.owner = std::move(answer_.owner);
    if (MemoryBudget::Reservation counted = body_.TakeReservation(); counted.nbytes() > 0) {
      response_.owner = std::make_shared<const Owner>(std::move(response_.owner), std::move(counted));
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

  absl::StatusOr<bool> AddData(const std::string& datatype, const Pieces& pieces) {
    TENSORFERRY_RETURN_IF_ERROR(Append(R"(,"data":)"));
    const auto type = TextTypeOf(datatype);
    if (!type) return false;
    if (pieces.size() == 1) return AppendElements(*type, pieces.front(), body_);
    CountedText elements(pool_);
    for (const std::string_view piece : pieces) {
      TENSORFERRY_RETURN_IF_ERROR(elements.MakeRoom(piece.size()));
      elements.text() += piece;
    }
    return AppendElements(*type, elements.text(), body_);
  }

  absl::Status Append(std::string_view text) {
    TENSORFERRY_RETURN_IF_ERROR(body_.MakeRoom(text.size()));
    body_.text() += text;
    return absl::OkStatus();
  }

  InferAnswer& answer_;
  const AskedOutputs& asked_;
  const PoolFor pool_;
  CountedText body_;
  http::Response response_{.content_type = std::string(http::kJsonType)};
  bool any_binary_ = false;
};

}  // namespace

http::Response InferResponse(InferAnswer answer, const AskedOutputs& asked, const PoolFor& pool) {
  auto response = [&]() -> absl::StatusOr<http::Response> {
    AnswerWriter writer(answer, asked, pool);
    TENSORFERRY_RETURN_IF_ERROR(writer.Begin());
    for (int i = 0; i < answer.message.outputs_size(); ++i) {
      const auto& output = answer.message.outputs(i);
      TENSORFERRY_ASSIGN_OR_RETURN(const bool is_said, writer.Add(i));
      if (!is_said) return Unsayable(output.name(), output.datatype());
    }
    return std::move(writer).Finish();
  }();
  return response.ok() ? *std::move(response) : ErrorOf(rpc::ToGrpcStatus(response.status()));
}

}  // namespace tensorferry::web
