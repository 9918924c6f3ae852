#include "web/infer_sax.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/status.h"

namespace tensorferry::web {

// The path to an input's `data` is root object, list `inputs`, object.
std::size_t InferSax::InputIndex() const { return open()[1]->size() - 1; }

// An input is told by its name where that stands before its data, and else by its place.
bool InferSax::FailInInput(const absl::Status& error) {
  const Json& input = *open().back();
  const auto name = input.is_object() ? input.find("name") : input.end();
  const bool is_named = name != input.end() && name->is_string() && !name->get_ref<const std::string&>().empty();
  const std::string place = fmt::format("inputs[{}]", InputIndex());
  return Fail(InArray(is_named ? name->get_ref<const std::string&>() : place, error));
}

bool InferSax::RefuseInData(std::string_view kind) {
  return FailInInput(MakeError(Reason::kBadHeader, fmt::format("its data has {} in it", kind),
                               {.field = "data", .expected = "elements in lists", .actual = std::string(kind)}));
}

bool InferSax::start_object(std::size_t elements) {
  return InData() ? RefuseInData("an object") : TreeSax::start_object(elements);
}

bool InferSax::start_array(std::size_t elements) {
  if (data_next_) return StartData();
  if (data_depth_ == 0) return TreeSax::start_array(elements);
  if (holds_ == Holds::kOneNumber || holds_ == Holds::kTwoNumbers) return FailPair();
  holds_ = Holds::kNothing;
  ++data_depth_;
  return true;
}

bool InferSax::end_array() {
  if (data_depth_ == 0) return TreeSax::end_array();
  if (holds_ == Holds::kOneNumber) return FailPair();
  holds_ = Holds::kLists;
  --data_depth_;
  return true;
}

bool InferSax::key(string_t& value) {
  const bool in_input = open().size() == 3 && open()[1]->is_array() && tree().is_object() &&
                        tree().contains("inputs") && &tree()["inputs"] == open()[1];
  data_next_ = in_input && value == "data";
  return TreeSax::key(value);
}

bool InferSax::StartData() {
  data_next_ = false;
  data_depth_ = 1;
  holds_ = Holds::kNothing;
  const std::size_t input = InputIndex();
  elements_.resize(std::max(elements_.size(), input + 1));
  if (elements_[input]) {
    return FailInInput(MakeError(Reason::kConflictingFields, "it has data twice", {.field = "data"}));
  }
  elements_[input].emplace(limits_.pool, beside_);
  const Json& so_far = *open().back();
  const auto said = so_far.find("datatype");
  std::string datatype = said != so_far.end() && said->is_string() ? said->get<std::string>() : "";
  if (datatype.empty() && input < datatypes_.size()) datatype = datatypes_[input];
  type_ = TextTypeOf(datatype);
  datatype_ = std::move(datatype);
  element_ = 0;
  // What is no datatype is refused with the whole request, in the words of gRPC; until then its data is skipped.
  skipped_ = skipped_ || datatype_.empty();
  return true;
}

bool InferSax::FailPair() {
  return FailInInput(
      MakeError(Reason::kBadHeader,
                fmt::format("element {} of its data is no list of two numbers, as {} has them", element_, datatype_),
                {.field = "data", .expected = "[real part, imaginary part]"}));
}

// Takes note of a number of a complex element. Returns false if it cannot stand where it does.
bool InferSax::IsPartOfPair() {
  if (data_depth_ < 2 || holds_ == Holds::kLists || holds_ == Holds::kTwoNumbers) return false;
  holds_ = holds_ == Holds::kNothing ? Holds::kOneNumber : Holds::kTwoNumbers;
  return true;
}

template <typename Put>
bool InferSax::Element(std::string_view kind, std::size_t most_bytes, const Put& put) {
  if (data_next_) {
    return FailInInput(MakeError(Reason::kBadHeader, fmt::format("its data is {}, and no list", kind),
                                 {.field = "data", .expected = "a list", .actual = std::string(kind)}));
  }
  if (!type_) return true;
  if (type_->is_complex && !IsPartOfPair()) return FailPair();
  CountedText& elements = *elements_[InputIndex()];
  if (absl::Status room = elements.MakeRoom(most_bytes); !room.ok()) return Fail(std::move(room));
  const std::size_t before = elements.text().size();
  if (!put(ElementWriter(*type_, elements.text()))) {
    return FailInInput(MakeError(
        Reason::kBadHeader, fmt::format("element {} of its data, {}, is no element of {}", element_, kind, datatype_),
        {.field = "data", .expected = fmt::format("elements of {}", datatype_), .actual = std::string(kind)}));
  }
  if (!type_->is_complex || holds_ == Holds::kTwoNumbers) ++element_;
  element_bytes_ += elements.text().size() - before;
  if (element_bytes_ <= limits_.element_bytes) return true;
  return Fail(MakeError(Reason::kTensorTooLarge, "the elements of the request are too many",
                        {.field = "data", .limit = fmt::format("{}", limits_.element_bytes)}));
}

bool InferSax::boolean(bool value) {
  if (!InData()) return TreeSax::boolean(value);
  return Element("true or false", ElementWriter::kMostBytes, [&](auto writer) { return writer.Boolean(value); });
}

bool InferSax::number_integer(number_integer_t value) {
  if (!InData()) return TreeSax::number_integer(value);
  return Element("a whole number", ElementWriter::kMostBytes, [&](auto writer) { return writer.Integer(value); });
}

bool InferSax::number_unsigned(number_unsigned_t value) {
  if (!InData()) return TreeSax::number_unsigned(value);
  return Element("a whole number", ElementWriter::kMostBytes, [&](auto writer) { return writer.Unsigned(value); });
}

bool InferSax::number_float(number_float_t value, const string_t& digits) {
  if (!InData()) return TreeSax::number_float(value, digits);
  return Element("a number", ElementWriter::kMostBytes, [&](auto writer) { return writer.Float(value, digits); });
}

bool InferSax::string(string_t& value) {
  if (!InData()) return TreeSax::string(value);
  return Element("a text", ElementWriter::kMostBytes + value.size(), [&](auto writer) { return writer.Text(value); });
}

}  // namespace tensorferry::web
