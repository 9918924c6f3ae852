#include "web/proto_json.h"

#include <google/protobuf/descriptor.h>

#include <string>

namespace tensorferry::web {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using Ordered = nlohmann::ordered_json;

// A value that the .proto file does not name is its number, as in protobuf's own JSON.
Ordered EnumJson(const FieldDescriptor& field, int number) {
  const google::protobuf::EnumValueDescriptor* const value = field.enum_type()->FindValueByNumber(number);
  return value == nullptr ? Ordered(number) : Ordered(std::string(value->name()));
}

Ordered ElementJson(const Message& message, const FieldDescriptor& field, int i) {
  const Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: return reflection.GetRepeatedInt32(message, &field, i);
    case FieldDescriptor::CPPTYPE_INT64: return reflection.GetRepeatedInt64(message, &field, i);
    case FieldDescriptor::CPPTYPE_UINT32: return reflection.GetRepeatedUInt32(message, &field, i);
    case FieldDescriptor::CPPTYPE_UINT64: return reflection.GetRepeatedUInt64(message, &field, i);
    case FieldDescriptor::CPPTYPE_DOUBLE: return reflection.GetRepeatedDouble(message, &field, i);
    case FieldDescriptor::CPPTYPE_FLOAT: return reflection.GetRepeatedFloat(message, &field, i);
    case FieldDescriptor::CPPTYPE_BOOL: return reflection.GetRepeatedBool(message, &field, i);
    case FieldDescriptor::CPPTYPE_ENUM: return EnumJson(field, reflection.GetRepeatedEnumValue(message, &field, i));
    case FieldDescriptor::CPPTYPE_STRING: return reflection.GetRepeatedString(message, &field, i);
    case FieldDescriptor::CPPTYPE_MESSAGE: return ProtoJson(reflection.GetRepeatedMessage(message, &field, i));
  }
  __builtin_unreachable();
}

Ordered SingleJson(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: return reflection.GetInt32(message, &field);
    case FieldDescriptor::CPPTYPE_INT64: return reflection.GetInt64(message, &field);
    case FieldDescriptor::CPPTYPE_UINT32: return reflection.GetUInt32(message, &field);
    case FieldDescriptor::CPPTYPE_UINT64: return reflection.GetUInt64(message, &field);
    case FieldDescriptor::CPPTYPE_DOUBLE: return reflection.GetDouble(message, &field);
    case FieldDescriptor::CPPTYPE_FLOAT: return reflection.GetFloat(message, &field);
    case FieldDescriptor::CPPTYPE_BOOL: return reflection.GetBool(message, &field);
    case FieldDescriptor::CPPTYPE_ENUM: return EnumJson(field, reflection.GetEnumValue(message, &field));
    case FieldDescriptor::CPPTYPE_STRING: return reflection.GetString(message, &field);
    case FieldDescriptor::CPPTYPE_MESSAGE: return ProtoJson(reflection.GetMessage(message, &field));
  }
  __builtin_unreachable();
}

std::string KeyOf(const Ordered& key) { return key.is_string() ? key.get<std::string>() : key.dump(); }

// A map is a list of messages with the fields `key` and `value`.
Ordered MapJson(const Message& message, const FieldDescriptor& field) {
  Ordered map = Ordered::object();
  const FieldDescriptor& key = *field.message_type()->map_key();
  const FieldDescriptor& value = *field.message_type()->map_value();
  const Reflection& reflection = *message.GetReflection();
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
    map[KeyOf(SingleJson(entry, key))] = SingleJson(entry, value);
  }
  return map;
}

}  // namespace

Ordered ProtoJson(const Message& message) {
  Ordered object = Ordered::object();
  const Reflection& reflection = *message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    if (field.is_map()) {
      object[std::string(field.name())] = MapJson(message, field);
    } else if (field.is_repeated()) {
      Ordered& list = object[std::string(field.name())] = Ordered::array();
      for (int j = 0; j < reflection.FieldSize(message, &field); ++j) {
        list.push_back(ElementJson(message, field, j));
      }
    } else if (!field.has_presence() || reflection.HasField(message, &field)) {
      object[std::string(field.name())] = SingleJson(message, field);
    }
  }
  return object;
}

}  // namespace tensorferry::web
