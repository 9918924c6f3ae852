#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace tensorferry::cli {

using Json = nlohmann::ordered_json;  // Keys keep the order in which they are documented.

// JsonText does not fail on text from elsewhere that is not UTF-8.
inline std::string JsonText(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace tensorferry::cli
