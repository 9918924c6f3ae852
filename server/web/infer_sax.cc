#include "web/infer_sax.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/status.h"

namespace tensorferry::web {
namespace {

// What is no data is small. A tree takes some forty times the text's bytes.
constexpr std::size_t kMaxNodes = 1 << 16;
constexpr std::size_t kMaxDepth = 64;

}  // namespace

bool InferSax::Fail(absl::Status error) {
  error_ = std::move(error);
  return false;
}

// The path to an input's `data` is root object, list `inputs`, object.
std::size_t InferSax::InputIndex() const { return open_[1]->size() - 1; }

InferSax::Json* InferSax::Place(Json value) {
  if (open_.empty()) return &(tree_ = std::move(value));
  Json& parent = *open_.back();
  if (parent.is_array()) {
    parent.push_back(std::move(value));
    return &parent.back();
  }
  return &(parent[key_] = std::move(value));
}

bool InferSax::Value(Json value) {
  if (InData()) {
    return Fail(MakeError(Reason::kBadHeader, "an input's data has a null or an object in it",
                          {.field = "data", .expected = "elements in lists"}));
  }
  if (++nodes_ > kMaxNodes) {
    return Fail(MakeError(Reason::kBadHeader, "the JSON beside the data has too many values",
                          {.field = "body", .limit = fmt::format("{}", kMaxNodes)}));
  }
  Place(std::move(value));
  return true;
}

bool InferSax::Open(Json container) {
  if (open_.size() >= kMaxDepth || ++nodes_ > kMaxNodes) {
    return Fail(MakeError(Reason::kBadHeader, "the JSON beside the data is too deep or has too many values",
                          {.field = "body", .limit = fmt::format("{}", kMaxDepth)}));
  }
  open_.push_back(Place(std::move(container)));
  return true;
}

bool InferSax::start_object(std::size_t /*elements*/) { return InData() ? Value(nullptr) : Open(Json::object()); }

bool InferSax::start_array(std::size_t /*elements*/) {
  if (data_next_) return StartData();
  if (data_depth_ == 0) return Open(Json::array());
  ++data_depth_;
  return true;
}

bool InferSax::End() {
  if (data_depth_ > 0) {
    --data_depth_;
  } else {
    open_.pop_back();
  }
  return true;
}

bool InferSax::key(string_t& value) {
  key_ = std::move(value);
  const bool in_input = open_.size() == 3 && open_[1]->is_array() && tree_.is_object() && tree_.contains("inputs") &&
                        &tree_["inputs"] == open_[1];
  data_next_ = in_input && key_ == "data";
  return true;
}

bool InferSax::StartData() {
  data_next_ = false;
  data_depth_ = 1;
  const std::size_t input = InputIndex();
  elements_.resize(std::max(elements_.size(), input + 1));
  if (elements_[input]) {
    return Fail(MakeError(Reason::kConflictingFields, "an input has data twice", {.field = "data"}));
  }
  elements_[input].emplace();
  const Json& so_far = *open_.back();
  const auto said = so_far.find("datatype");
  std::string datatype = said != so_far.end() && said->is_string() ? said->get<std::string>() : "";
  if (datatype.empty() && input < datatypes_.size()) datatype = datatypes_[input];
  type_ = TextTypeOf(datatype);
  if (datatype.empty()) {
    skipped_ = true;
  } else if (!type_) {
    return Fail(MakeError(Reason::kBadDtype,
                          fmt::format("JSON has no form for elements of {}: send them as binary data", Quote(datatype)),
                          {.field = "datatype", .expected = "binary data", .actual = Quote(datatype)}));
  }
  return true;
}

template <typename Put>
bool InferSax::Element(const Put& put) {
  if (data_next_) return Fail(MakeError(Reason::kBadHeader, "an input's data is no list", {.field = "data"}));
  if (!type_) return true;
  std::string& elements = *elements_[InputIndex()];
  const std::size_t before = elements.size();
  if (!put(ElementWriter(*type_, elements))) {
    return Fail(MakeError(Reason::kBadHeader, "an input's data has a value that is no element of its datatype",
                          {.field = "data", .expected = "elements of the datatype"}));
  }
  element_bytes_ += elements.size() - before;
  if (element_bytes_ <= max_element_bytes_) return true;
  return Fail(MakeError(Reason::kTensorTooLarge, "the elements of the request are too many",
                        {.field = "data", .limit = fmt::format("{}", max_element_bytes_)}));
}

bool InferSax::boolean(bool value) {
  return InData() ? Element([&](auto writer) { return writer.Boolean(value); }) : Value(value);
}

bool InferSax::number_integer(number_integer_t value) {
  return InData() ? Element([&](auto writer) { return writer.Integer(value); }) : Value(value);
}

bool InferSax::number_unsigned(number_unsigned_t value) {
  return InData() ? Element([&](auto writer) { return writer.Unsigned(value); }) : Value(value);
}

bool InferSax::number_float(number_float_t value, const string_t& digits) {
  return InData() ? Element([&](auto writer) { return writer.Float(value, digits); }) : Value(value);
}

bool InferSax::string(string_t& value) {
  return InData() ? Element([&](auto writer) { return writer.Text(value); }) : Value(std::move(value));
}

bool InferSax::parse_error(std::size_t position, const std::string& /*token*/,
                           const nlohmann::detail::exception& /*error*/) {
  return Fail(MakeError(Reason::kBadHeader, fmt::format("the request's JSON cannot be read at byte {}", position),
                        {.field = "body", .expected = "a JSON object"}));
}

}  // namespace tensorferry::web
