#pragma once

#include <google/protobuf/descriptor.h>

#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "security/tokens.h"

namespace tensorferry::rpc {

// AccessRule says who may call a method: callers with one of the roles, or with the role admin, which may call
// everything. Without roles everybody may, with a token or without.
struct AccessRule {
  std::string_view method;  // Its full name: `tensorferry.v1.TensorService.Convert`.
  security::Roles roles;
};

// Returns the rules of all methods of all services. A method without a rule may be called by nobody.
std::span<const AccessRule> AccessRules();

// AccessTable finds the rule of a method.
class AccessTable {
 public:
  AccessTable();

  // Returns null if the method has no rule.
  const AccessRule* Find(const google::protobuf::MethodDescriptor& method) const;

 private:
  std::vector<std::pair<const google::protobuf::MethodDescriptor*, const AccessRule*>> rules_;  // By address.
};

}  // namespace tensorferry::rpc
