#pragma once

#include <google/protobuf/message.h>

#include <nlohmann/json.hpp>

namespace tensorferry::web {

// Returns a message as Triton's clients read it over HTTP: fields by their names in the .proto file, those without presence
// also when they are unset, numbers of 64 bits as numbers, enumerations by name. Text that is no UTF-8 stays as it is.
nlohmann::ordered_json ProtoJson(const google::protobuf::Message& message);

}  // namespace tensorferry::web
