#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/json_text.h"
#include "tensorferry/client/model_statistics.h"
#include "tensorferry/client/server_info.h"

namespace tensorferry::cli {

// StateText writes a state as ListModels has it: "READY".
std::string_view StateText(client::ModelState state);

// VersionsOf returns those of the versions that are of the model.
std::vector<client::ModelInfo> VersionsOf(const std::vector<client::ModelInfo>& models, const std::string& name);

// ModelsText writes, for people, a table with a row for each version and the number of all.
std::string ModelsText(std::span<const client::ModelInfo> models);

// SpecsText writes, for people, a table with a row for each input and output.
std::string SpecsText(const client::ModelInfo& model);

// StatisticsText writes, for people, a table with a row for each version and, if there are several, one for all
// together. Times are means of one request.
std::string StatisticsText(std::span<const client::ModelStatistics> statistics);

// BatchesText writes, for people, a table with a row for each number of rows that a run had.
std::string BatchesText(const client::ModelStatistics& statistics);

// ModelJson and StatisticsJson write, for programs, one version. Statistics have the keys of the Open Inference
// Protocol's ModelStatistics.
Json ModelJson(const client::ModelInfo& model);
Json StatisticsJson(const client::ModelStatistics& statistics);

// JsonListOf makes a list of what `to_json` makes of each of the items.
template <typename Items, typename ToJson>
Json JsonListOf(const Items& items, ToJson to_json) {
  Json list = Json::array();
  for (const auto& item : items) list.push_back(to_json(item));
  return list;
}

}  // namespace tensorferry::cli
