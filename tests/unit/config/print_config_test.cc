#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <variant>
#include <vector>

#include "config/describe.h"
#include "config/resolve.h"
#include "config/setting.h"
#include "temporary_folder.h"

namespace tensorferry::config {
namespace {

using testing::HasSubstr;

std::string Printed(std::vector<std::string> args, const Environment& environment) {
  args.push_back("--print-config");
  const auto result = Resolve(args, environment, "");
  const auto* exit = std::get_if<Exit>(&result);
  EXPECT_TRUE(exit != nullptr && exit->code == ExitCode::kOk);
  return exit != nullptr ? exit->text : "";
}

// FedBack returns the Config of a server that is given what --print-config printed.
Config FedBack(const std::string& printed) {
  const TemporaryFolder folder;
  const auto result = Resolve({"--config", folder.Write("printed.toml", printed)}, {}, "");
  if (const auto* exit = std::get_if<Exit>(&result)) ADD_FAILURE() << exit->text << printed;
  const auto* resolved = std::get_if<Resolved>(&result);
  return resolved != nullptr ? resolved->config : Config{};
}

TEST(PrintConfig, SaysWhereEachValueIsFrom) {
  const TemporaryFolder folder;
  const std::string file = folder.Write("s.toml", "\ndrain_grace = \"1m\"\n");
  const std::string text = Printed({"--config", file, "--listen=a:1", "--listen=b:2"}, {{"TENSORFERRY_THREADS", "3"}});
  EXPECT_THAT(text, HasSubstr("listen = [\"a:1\", \"b:2\"]  # flag\n"));
  EXPECT_THAT(text, HasSubstr("\nthreads = 3  # environment TENSORFERRY_THREADS\n"));
  EXPECT_THAT(text, HasSubstr("\ndrain-grace = \"1m\"  # file " + file + ":2\n"));
  EXPECT_THAT(text, HasSubstr("\nmodel = []  # default\n"));
  EXPECT_THAT(text, HasSubstr("\nmax-message-bytes = \"64MiB\"  # default\n"));
}

TEST(PrintConfig, CanBeFedBack) {
  EXPECT_EQ(FedBack(Printed({}, {})), Config{});

  const std::vector<std::string> args = {"--model=quotes=a\"b\\c.pt", "--model=controls=\t\x7f\n.pt",
                                         "--model=utf8=\xC3\xA9#.pt", "--listen=unix:/run/a b.sock",
                                         "--memory-budget=12345",     "--drain-delay=1500ms",
                                         "--reflection=off",          "--log-level=off",
                                         "--unix-mode=0660",          "--unix-group=7",
                                         "--access-log=all"};
  const auto result = Resolve(args, {}, "");
  ASSERT_TRUE(std::holds_alternative<Resolved>(result));
  EXPECT_EQ(FedBack(Printed(args, {})), std::get<Resolved>(result).config);
}

TEST(PrintConfig, StaysTomlWhateverTheSourcesAreCalled) {
  const TemporaryFolder folder;
  const std::string file = folder.Write("line\nfeed.toml", "threads = 7\n");
  EXPECT_EQ(FedBack(Printed({"--config", file}, {{"TENSORFERRY_A\nthreads = 8", "x"}})).threads, 7);
}

TEST(ConfigJson, HasTheValuesAndSourcesOfPrintConfig) {
  const auto result =
      Resolve({"--listen=a:1", "--listen=unix:/run/\xFF", "--allow-open"}, {{"TENSORFERRY_THREADS", "3"}}, "");
  const auto page = nlohmann::json::parse(ConfigJson(std::get<Resolved>(result)));
  std::map<std::string, nlohmann::json> settings;
  for (const auto& setting : page["settings"]) settings[setting["name"]] = setting;
  EXPECT_EQ(settings.size(), Settings().size());
  EXPECT_EQ(settings["listen"]["value"], nlohmann::json({"a:1", "unix:/run/\xEF\xBF\xBD"}));
  EXPECT_EQ(settings["listen"]["source"], "flag");
  EXPECT_EQ(settings["threads"]["value"], "3");
  EXPECT_EQ(settings["threads"]["source"], "environment TENSORFERRY_THREADS");
  EXPECT_EQ(settings["model"]["value"], nlohmann::json::array());
  EXPECT_EQ(settings["model"]["source"], "default");
}

}  // namespace
}  // namespace tensorferry::config
