#include "rpc/oip/infer_reader.h"

#include <algorithm>
#include <cstdint>

#include "rpc/call/request_view.h"
#include "rpc/triton_config/triton_proto.h"

namespace tensorferry::rpc {
namespace {

using Request = triton::ModelInferRequest;
using Input = Request::InferInputTensor;
using Output = Request::InferRequestedOutputTensor;
using Parameter = triton::InferParameter;

// Reads fields up to `end`, each with `read_field(tag)`. Returns false if they come in another order than `order`
// accepts.
template <typename ReadField>
bool ReadFields(Cursor& cursor, std::size_t end, FieldOrder order, ReadField&& read_field) {
  while (cursor.position() < end) {
    std::uint8_t tag = 0;
    if (!cursor.ReadByte(tag) || !order.Accept(tag) || !read_field(tag)) return false;
  }
  return cursor.position() == end;
}

template <typename ReadField>
bool ReadNested(Cursor& cursor, FieldOrder order, ReadField&& read_field) {
  std::size_t length = 0;
  return cursor.ReadLength(length) && ReadFields(cursor, cursor.position() + length, order, read_field);
}

// Reads an InferParameter that has one member of the oneof.
bool ReadValue(Cursor& cursor, ParameterView& parameter) {
  const auto read_field = [&](std::uint8_t tag) {
    if (!std::holds_alternative<std::monostate>(parameter.value)) return false;
    std::uint64_t number = 0;
    switch (tag) {
      case SmallTag(Parameter::kBoolParamFieldNumber, kVarint): return cursor.ReadBool(parameter.value.emplace<bool>());
      case SmallTag(Parameter::kInt64ParamFieldNumber, kVarint):
        if (!cursor.ReadVarint(number)) return false;
        parameter.value = static_cast<std::int64_t>(number);
        return true;
      case SmallTag(Parameter::kStringParamFieldNumber, kLengthDelimited):
        return cursor.ReadText(parameter.value.emplace<std::string_view>());
      case SmallTag(Parameter::kUint64ParamFieldNumber, kVarint):
        return cursor.ReadVarint(parameter.value.emplace<std::uint64_t>());
      default: return false;
    }
  };
  return ReadNested(cursor, FieldOrder(kNoneRepeated), read_field);
}

// Reads an entry of a map. Returns false if an earlier entry has the same name.
bool ReadParameter(Cursor& cursor, std::vector<ParameterView>& parameters) {
  if (parameters.size() == kMaxParameters) return false;
  ParameterView parameter;
  const auto read_field = [&](std::uint8_t tag) {
    switch (tag) {
      case SmallTag(kEntryName, kLengthDelimited): return cursor.ReadText(parameter.name);
      case SmallTag(kEntryValue, kLengthDelimited): return ReadValue(cursor, parameter);
      default: return false;
    }
  };
  if (!ReadNested(cursor, FieldOrder(kNoneRepeated), read_field)) return false;
  if (std::ranges::count(parameters, parameter.name, &ParameterView::name) > 0) return false;
  parameters.push_back(parameter);
  return true;
}

bool ReadInput(Cursor& cursor, InferInputView& input) {
  const auto read_field = [&](std::uint8_t tag) {
    switch (tag) {
      case SmallTag(Input::kNameFieldNumber, kLengthDelimited): return cursor.ReadText(input.name);
      case SmallTag(Input::kDatatypeFieldNumber, kLengthDelimited): return cursor.ReadText(input.datatype);
      case SmallTag(Input::kShapeFieldNumber, kLengthDelimited): return ReadShape(cursor, input.shape);
      case SmallTag(Input::kParametersFieldNumber, kLengthDelimited): return ReadParameter(cursor, input.parameters);
      default: return false;
    }
  };
  return ReadNested(cursor, FieldOrder(/*first_repeated=*/Input::kParametersFieldNumber), read_field);
}

bool ReadOutput(Cursor& cursor, InferOutputView& output) {
  const auto read_field = [&](std::uint8_t tag) {
    switch (tag) {
      case SmallTag(Output::kNameFieldNumber, kLengthDelimited): return cursor.ReadText(output.name);
      case SmallTag(Output::kParametersFieldNumber, kLengthDelimited): return ReadParameter(cursor, output.parameters);
      default: return false;
    }
  };
  return ReadNested(cursor, FieldOrder(/*first_repeated=*/Output::kParametersFieldNumber), read_field);
}

// Adds an element to `list`. Returns null if the list has as many elements as a request may have.
template <typename Element>
Element* Add(std::vector<Element>& list) {
  return list.size() < kMaxArrays ? &list.emplace_back() : nullptr;
}

}  // namespace

bool ReadInferRequest(std::span<const Bytes> message, WireScratch& scratch, InferRequestView& view) {
  view.model_name = view.model_version = view.id = {};
  view.parameters.clear();
  view.inputs.clear();
  view.outputs.clear();
  view.raw_input_contents.clear();
  Cursor cursor(message, scratch);
  const auto read_field = [&](std::uint8_t tag) {
    switch (tag) {
      case SmallTag(Request::kModelNameFieldNumber, kLengthDelimited): return cursor.ReadText(view.model_name);
      case SmallTag(Request::kModelVersionFieldNumber, kLengthDelimited): return cursor.ReadText(view.model_version);
      case SmallTag(Request::kIdFieldNumber, kLengthDelimited): return cursor.ReadText(view.id);
      case SmallTag(Request::kParametersFieldNumber, kLengthDelimited): return ReadParameter(cursor, view.parameters);
      case SmallTag(Request::kInputsFieldNumber, kLengthDelimited): {
        InferInputView* const input = Add(view.inputs);
        return input != nullptr && ReadInput(cursor, *input);
      }
      case SmallTag(Request::kOutputsFieldNumber, kLengthDelimited): {
        InferOutputView* const output = Add(view.outputs);
        return output != nullptr && ReadOutput(cursor, *output);
      }
      case SmallTag(Request::kRawInputContentsFieldNumber, kLengthDelimited): {
        ScatteredBytes* const raw = Add(view.raw_input_contents);
        return raw != nullptr && cursor.ReadBytes(*raw);
      }
      default: return false;
    }
  };
  return ReadFields(cursor, cursor.size(), FieldOrder(/*first_repeated=*/Request::kParametersFieldNumber), read_field);
}

}  // namespace tensorferry::rpc
