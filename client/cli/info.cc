#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <utility>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/json_text.h"
#include "cli/query.h"
#include "cli/table.h"

namespace tensorferry::cli {
namespace {

using client::ServerInfo;

// Returns rows of a title and a text, with texts that are too long for the terminal in several rows.
std::vector<std::vector<std::string>> WithinTerminal(const std::vector<std::vector<std::string>>& rows) {
  constexpr std::size_t kTitles = 17;  // The longest title, and the gap behind it.
  const std::size_t width = TableWidth();
  if (width <= kTitles) return rows;  // It is no terminal, or a very narrow one.
  std::vector<std::vector<std::string>> all;
  for (const auto& row : rows) {
    std::string title = row.front();
    for (std::string& piece : Wrapped(row.back(), width - kTitles)) {
      all.push_back({std::exchange(title, ""), std::move(piece)});
    }
  }
  return all;
}

void PrintInfo(const ServerInfo& info) {
  std::vector<std::string> dtypes;
  for (const client::DtypeInfo& dtype : info.dtypes) dtypes.push_back(dtype.numpy_dtype);
  const std::vector<std::vector<std::string>> rows{
      {"version", info.version},
      {"torch", info.torch_version},
      {"largest message", SizeText(info.max_message_bytes)},
      {"largest tensor", SizeText(info.max_tensor_bytes)},
      {"chunk", SizeText(info.recommended_chunk_bytes)},
      {"dimensions", fmt::format("up to {}", info.max_ndim)},
      {"features", fmt::format("{}", fmt::join(info.features, ", "))},
      {"dtypes", fmt::format("{}", fmt::join(dtypes, ", "))},
  };
  fmt::print("{}", Align(WithinTerminal(rows)));
}

void PrintInfoJson(const ServerInfo& info) {
  Json json = {{"version", info.version},
               {"torch_version", info.torch_version},
               {"max_message_bytes", info.max_message_bytes},
               {"max_tensor_bytes", info.max_tensor_bytes},
               {"recommended_chunk_bytes", info.recommended_chunk_bytes},
               {"max_ndim", info.max_ndim},
               {"features", info.features},
               {"dtypes", Json::array()}};
  for (const client::DtypeInfo& dtype : info.dtypes) {
    json["dtypes"].push_back({{"numpy_dtype", dtype.numpy_dtype},
                              {"numpy_descr", dtype.numpy_descr},
                              {"torch_dtype", dtype.torch_dtype},
                              {"itemsize", dtype.itemsize},
                              {"oip_datatype", dtype.oip_datatype}});
  }
  fmt::print("{}\n", JsonText(json));
}

}  // namespace

ExitCode RunInfo(const Arguments& arguments) {
  const auto ask = [](client::Client& client, std::chrono::milliseconds timeout) {
    return client.GetServerInfo(timeout);
  };
  return Query(arguments, ask, [&](const ServerInfo& info) {
    arguments.json ? PrintInfoJson(info) : PrintInfo(info);
    return ExitCode::kOk;
  });
}

}  // namespace tensorferry::cli
