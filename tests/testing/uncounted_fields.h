// The fields of a message that a caller may repeat without an end, by protobuf's own description of it.
#pragma once

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <string>
#include <vector>

#include "rpc/wire/message_guard.h"

namespace tensorferry::rpc {

// Appends the names of all repeated strings, bytes and messages, maps among them, that `message` has in any depth and
// whose number `layout` does not bound. Repeated numbers take little more once they are parsed than on the wire.
inline void AppendUncountedFields(const google::protobuf::Descriptor& message, const MessageLayout& layout,
                                  std::vector<std::string>& names) {
  using Field = google::protobuf::FieldDescriptor;
  for (int i = 0; i < message.field_count(); ++i) {
    const Field& field = *message.field(i);
    const auto row = std::ranges::find(layout.fields, field.number(), &FieldLayout::number);
    const bool is_listed = row != layout.fields.end();
    const bool is_number = field.cpp_type() != Field::CPPTYPE_MESSAGE && field.cpp_type() != Field::CPPTYPE_STRING;
    if (field.is_repeated() && !is_number && (!is_listed || row->most == kAny)) names.emplace_back(field.full_name());
    if (field.cpp_type() != Field::CPPTYPE_MESSAGE) continue;
    const MessageLayout inner = is_listed && row->message != nullptr ? *row->message : MessageLayout{};
    AppendUncountedFields(*field.message_type(), inner, names);
  }
}

}  // namespace tensorferry::rpc
