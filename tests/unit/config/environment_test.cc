#include "config/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tensorferry::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(Environment, NamesAreTheFlags) {
  EXPECT_EQ(EnvironmentName("max-message-bytes"), "TENSORFERRY_MAX_MESSAGE_BYTES");
}

TEST(Environment, TakesOnlyItsOwnOfABlock) {
  const char* const block[] = {"HOME=/", "TENSORFERRY_MODEL=m=f", "TENSORFERRY_THREADS", "XTENSORFERRY_A=1", nullptr};
  EXPECT_THAT(OwnEnvironment(block), ElementsAre(Pair("TENSORFERRY_MODEL", "m=f")));
}

TEST(Environment, SplitsRepeatableValuesAtCommas) {
  const auto values = ReadEnvironment({{"TENSORFERRY_LISTEN", "a:1,b:2,"}, {"TENSORFERRY_CONFIG", "a,b.toml"}}).values;
  EXPECT_THAT(values.at("listen").texts, ElementsAre("a:1", "b:2", ""));
  EXPECT_THAT(values.at("config").texts, ElementsAre("a,b.toml"));
}

TEST(Environment, AnEmptyVariableIsUnset) {
  EXPECT_THAT(ReadEnvironment({{"TENSORFERRY_THREADS", ""}}).values, IsEmpty());
}

TEST(Environment, WarnsOfUnknownNamesWithTheNearest) {
  const auto [values, warnings] = ReadEnvironment({{"TENSORFERRY_TRHEADS", "4"}});
  EXPECT_THAT(values, IsEmpty());
  EXPECT_THAT(warnings, ElementsAre("environment variable 'TENSORFERRY_TRHEADS' is no setting; "
                                    "did you mean TENSORFERRY_THREADS?"));
}

TEST(Environment, NamesNothingWhereOnlyThePrefixIsAlike) {
  EXPECT_THAT(ReadEnvironment({{"TENSORFERRY_FOO", "4"}}).warnings,
              ElementsAre("environment variable 'TENSORFERRY_FOO' is no setting; --help lists all"));
}

TEST(Environment, WhatFlagsAloneCanAskForIsUnknown) {
  EXPECT_EQ(ReadEnvironment({{"TENSORFERRY_HELP", "1"}, {"TENSORFERRY_PRINT_CONFIG", "1"}}).warnings.size(), 2U);
}

TEST(Environment, SaysNothingOfVariablesOfOthers) {
  EXPECT_THAT(ReadEnvironment({{"TENSORFERRY_SERVER", "a:1"},
                               {"TENSORFERRY_CLI", "x"},
                               {"TENSORFERRY_NODE_MODULES", "x"},
                               {"TENSORFERRY_PORT", "tcp://10.0.0.1:8001"},
                               {"TENSORFERRY_PORT_8001_TCP_ADDR", "10.0.0.1"},
                               {"TENSORFERRY_SERVICE_HOST", "10.0.0.1"},
                               {"HOME", "/"}})
                  .warnings,
              IsEmpty());
}

}  // namespace
}  // namespace tensorferry::config
