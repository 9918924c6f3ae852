#include "inference/engine/call_spec.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "base/status.h"

namespace tensorferry::inference {
namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 32;

// Adds the leaves below `node`. Returns false if it is not a pytree.
bool AddLeaves(const Json& node, const std::string& path, int depth, std::vector<std::string>& leaves) {
  if (depth > kMaxDepth || !node.is_object() || !node.contains("children_spec")) return false;
  const Json& children = node["children_spec"];
  if (!children.is_array()) return false;
  if (node.value("type", Json()).is_null()) {
    leaves.push_back(path);
    return true;
  }
  // The context of a dictionary lists its keys.
  const Json context = node.value("context", Json());
  const Json keys = context.is_string() ? Json::parse(context.get<std::string>(), nullptr, false) : Json();
  for (std::size_t i = 0; i < children.size(); ++i) {
    const bool named = keys.is_array() && i < keys.size() && keys[i].is_string();
    const std::string key = named ? keys[i].get<std::string>() : fmt::to_string(i);
    if (!AddLeaves(children[i], fmt::format("{}[{}]", path, key), depth + 1, leaves)) return false;
  }
  return true;
}

// Returns the tree that `spec` holds after the version of its format.
std::optional<Json> Tree(std::string_view spec) {
  const Json json = Json::parse(spec, nullptr, false);
  if (!json.is_array() || json.size() != 2 || !json[1].is_object()) return std::nullopt;
  return std::optional<Json>(std::in_place, json[1]);
}

absl::Status Unreadable() {
  return MakeError(Reason::kModelNotReady, "the package's call spec is of a form that this server does not know");
}

}  // namespace

absl::StatusOr<std::vector<std::string>> InputLeaves(std::string_view spec) {
  const auto tree = Tree(spec);
  std::vector<std::string> leaves;
  if (!tree || !tree->contains("children_spec")) return Unreadable();
  const Json& sides = (*tree)["children_spec"];  // A call has two children: the arguments and the keyword arguments.
  if (!sides.is_array() || sides.size() != 2) return Unreadable();
  if (!AddLeaves(sides[0], "ARGS", 0, leaves) || !AddLeaves(sides[1], "KWARGS", 0, leaves)) return Unreadable();
  return leaves;
}

absl::StatusOr<std::vector<std::string>> OutputLeaves(std::string_view spec) {
  const auto tree = Tree(spec);
  std::vector<std::string> leaves;
  if (!tree || !AddLeaves(*tree, "RESULT", 0, leaves)) return Unreadable();
  return leaves;
}

}  // namespace tensorferry::inference
