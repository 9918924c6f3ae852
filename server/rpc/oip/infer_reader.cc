#include "rpc/oip/infer_reader.h"

#include <algorithm>
#include <cstdint>

#include "rpc/call/request_view.h"

namespace tensorferry::rpc {
namespace {

// Field numbers are those of proto/inference/grpc_service.proto.

// The fields of a nested message, each with `read_field(tag)`, in the order that `order` takes.
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

// An InferParameter of one member.
bool ReadValue(Cursor& cursor, ParameterView& parameter) {
  const auto read_field = [&](std::uint8_t tag) {
    if (!std::holds_alternative<std::monostate>(parameter.value)) return false;
    std::uint64_t number = 0;
    switch (tag) {
      case WireTag(1, kVarint): return cursor.ReadBool(parameter.value.emplace<bool>());
      case WireTag(2, kVarint):
        if (!cursor.ReadVarint(number)) return false;
        parameter.value = static_cast<std::int64_t>(number);
        return true;
      case WireTag(3, kLengthDelimited): return cursor.ReadText(parameter.value.emplace<std::string_view>());
      case WireTag(5, kVarint): return cursor.ReadVarint(parameter.value.emplace<std::uint64_t>());
      default: return false;
    }
  };
  return ReadNested(cursor, FieldOrder(kNoneRepeated), read_field);
}

// An entry of a map, whose name no entry had before.
bool ReadParameter(Cursor& cursor, std::vector<ParameterView>& parameters) {
  ParameterView parameter;
  const auto read_field = [&](std::uint8_t tag) {
    switch (tag) {
      case WireTag(1, kLengthDelimited): return cursor.ReadText(parameter.name);
      case WireTag(2, kLengthDelimited): return ReadValue(cursor, parameter);
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
      case WireTag(1, kLengthDelimited): return cursor.ReadText(input.name);
      case WireTag(2, kLengthDelimited): return cursor.ReadText(input.datatype);
      case WireTag(3, kLengthDelimited): return ReadShape(cursor, input.shape);
      case WireTag(4, kLengthDelimited): return ReadParameter(cursor, input.parameters);
      default: return false;
    }
  };
  return ReadNested(cursor, FieldOrder(/*first_repeated=*/4), read_field);
}

bool ReadOutput(Cursor& cursor, InferOutputView& output) {
  const auto read_field = [&](std::uint8_t tag) {
    switch (tag) {
      case WireTag(1, kLengthDelimited): return cursor.ReadText(output.name);
      case WireTag(2, kLengthDelimited): return ReadParameter(cursor, output.parameters);
      default: return false;
    }
  };
  return ReadNested(cursor, FieldOrder(/*first_repeated=*/2), read_field);
}

// One more of `list`, if it may have one more.
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
      case WireTag(1, kLengthDelimited): return cursor.ReadText(view.model_name);
      case WireTag(2, kLengthDelimited): return cursor.ReadText(view.model_version);
      case WireTag(3, kLengthDelimited): return cursor.ReadText(view.id);
      case WireTag(4, kLengthDelimited): return ReadParameter(cursor, view.parameters);
      case WireTag(5, kLengthDelimited): {
        InferInputView* const input = Add(view.inputs);
        return input != nullptr && ReadInput(cursor, *input);
      }
      case WireTag(6, kLengthDelimited): {
        InferOutputView* const output = Add(view.outputs);
        return output != nullptr && ReadOutput(cursor, *output);
      }
      case WireTag(7, kLengthDelimited): {
        ScatteredBytes* const raw = Add(view.raw_input_contents);
        return raw != nullptr && cursor.ReadBytes(*raw);
      }
      default: return false;
    }
  };
  return ReadFields(cursor, cursor.size(), FieldOrder(/*first_repeated=*/4), read_field);
}

}  // namespace tensorferry::rpc
