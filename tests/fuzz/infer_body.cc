#include "web/infer_body.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "fuzz/properties.h"
#include "web/infer_message.h"
#include "web/tensor_text.h"

namespace tensorferry::fuzz {
namespace {

using nlohmann::json;

constexpr std::uint64_t kLimit = std::uint64_t{64} << 20;

// Returns how many bytes the elements of an input's `data` have.
std::size_t ElementBytes(const web::TextType& type, const json& data) {
  if (data.is_array()) {
    return std::accumulate(data.begin(), data.end(), std::size_t{0},
                           [&](std::size_t sum, const json& each) { return sum + ElementBytes(type, each); });
  }
  return type.is_bytes ? sizeof(std::uint32_t) + data.get_ref<const std::string&>().size() : Info(type.dtype).itemsize;
}

std::string_view MistakeOfInput(const web::InferBody& body, const json& inputs) {
  std::size_t raw = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const json& input = inputs[i];
    if (body.message.inputs(static_cast<int>(i)).name() != input.value("name", "")) return "an input has another name";
    if (input.value("parameters", json::object()).contains("shared_memory_region")) continue;
    if (raw == body.raw.size()) return "an input has no elements";
    const web::RawInput& elements = body.raw[raw++];
    if (!input.contains("data")) {
      const auto nbytes = input["parameters"]["binary_data_size"].get<std::size_t>();
      if (elements.made || elements.bytes().size() != nbytes) return "the binary elements have another size";
      continue;
    }
    const auto type = web::TextTypeOf(input.value("datatype", ""));
    if (type && elements.bytes().size() != ElementBytes(*type, input["data"])) return "the elements have another size";
    if (!type && !elements.bytes().empty()) return "there are elements of no datatype";
  }
  return raw == body.raw.size() ? "" : "there are elements of no input";
}

std::string_view MistakeOfMessage(web::InferBody body) {
  std::vector<std::string> raw;
  for (const web::RawInput& input : body.raw) raw.emplace_back(input.bytes());
  const int inputs = body.message.inputs_size();
  const grpc::ByteBuffer bytes = web::InferMessage(std::move(body), nullptr);
  std::vector<grpc::Slice> slices;
  if (!bytes.Dump(&slices).ok()) return "the message has no bytes";
  std::string text;
  for (const grpc::Slice& slice : slices) text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  inference::ModelInferRequest message;
  if (!message.ParseFromString(text)) return "the message cannot be read";
  if (message.inputs_size() != inputs) return "the message has other inputs";
  return std::ranges::equal(message.raw_input_contents(), raw) ? "" : "the message has other elements";
}

}  // namespace

std::string_view InferBodyMistake(std::string_view input) {
  if (input.empty()) return "";
  const std::size_t rest = static_cast<std::uint8_t>(input.front());
  const std::string_view text = input.substr(1);
  const std::size_t json_bytes = text.size() - std::min(rest, text.size());
  MemoryBudget budget(kLimit);
  BufferPool pool(budget, 0);
  {
    auto body = web::ReadInferBody(text, json_bytes, {.element_bytes = kLimit, .pool = pool});
    if (!body.ok()) return budget.used() == 0 ? "" : "a refusal holds memory";
    const json tree = json::parse(text.substr(0, json_bytes), nullptr, /*allow_exceptions=*/false);
    if (tree.is_discarded() || !tree.contains("inputs")) return "what is no request was taken";
    if (const auto mistake = MistakeOfInput(*body, tree["inputs"]); !mistake.empty()) return mistake;
    if (const auto mistake = MistakeOfMessage(*std::move(body)); !mistake.empty()) return mistake;
  }
  return budget.used() == 0 ? "" : "the budget is held in the end";
}

}  // namespace tensorferry::fuzz
