#include "config/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tensorferry::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> Texts(const std::vector<std::string>& args, const std::string& name) {
  const auto values = ParseCommandLine(args);
  EXPECT_TRUE(values.ok()) << values.status();
  return values.ok() && values->contains(name) ? values->at(name).texts : std::vector<std::string>{};
}

TEST(CommandLine, TakesValuesBehindEqualsSignOrBlank) {
  EXPECT_THAT(Texts({"--threads=4"}, "threads"), ElementsAre("4"));
  EXPECT_THAT(Texts({"--threads", "4"}, "threads"), ElementsAre("4"));
  EXPECT_THAT(Texts({"--model", "m=f"}, "model"), ElementsAre("m=f"));
  EXPECT_THAT(Texts({"--model=m=f"}, "model"), ElementsAre("m=f"));
  EXPECT_THAT(Texts({"--threads="}, "threads"), ElementsAre(""));
  EXPECT_THAT(Texts({}, "threads"), IsEmpty());
}

TEST(CommandLine, KeepsAllValuesOfRepeatableFlagsAndTheLastOfOthers) {
  EXPECT_THAT(Texts({"--listen", "a:1", "--listen=b:2"}, "listen"), ElementsAre("a:1", "b:2"));
  EXPECT_THAT(Texts({"--threads", "1", "--threads=2"}, "threads"), ElementsAre("2"));
}

TEST(CommandLine, ABareSwitchIsOn) {
  EXPECT_THAT(Texts({"--strict-start"}, "strict-start"), ElementsAre("on"));
  EXPECT_THAT(Texts({"--strict-start", "--threads", "1"}, "strict-start"), ElementsAre("on"));
  EXPECT_THAT(Texts({"--reflection=off"}, "reflection"), ElementsAre("off"));
  EXPECT_THAT(Texts({"--reflection", "off"}, "reflection"), ElementsAre("off"));
}

TEST(CommandLine, RefusesWhatItDoesNotKnow) {
  const auto message = [](const std::vector<std::string>& args) {
    return std::string(ParseCommandLine(args).status().message());
  };
  EXPECT_EQ(message({"--thread", "4"}), "unknown flag '--thread'; did you mean --threads?");
  EXPECT_EQ(message({"--prnt-config"}), "unknown flag '--prnt-config'; did you mean --print-config?");
  EXPECT_EQ(message({"-threads=4"}), "unknown flag '-threads'; did you mean --threads?");
  EXPECT_EQ(message({"-f"}), "unknown flag '-f'; see --help");
  EXPECT_EQ(message({"--foo"}), "unknown flag '--foo'; see --help");
  EXPECT_EQ(message({"model.pt"}), "unexpected argument 'model.pt'");
  EXPECT_EQ(message({"--threads"}), "--threads needs a value");
  EXPECT_EQ(message({"--help=threads"}), "--help takes no value");
}

TEST(CommandLine, ADashAloneIsNoFlag) {
  for (const char* arg : {"-", "--", "--="}) EXPECT_FALSE(ParseCommandLine({arg}).ok()) << arg;
}

}  // namespace
}  // namespace tensorferry::config
