#include "tracing/trace_settings.h"

#include <gmock/gmock.h>

#include <map>
#include <string>

namespace tensorferry::tracing {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

using Variables = std::map<std::string, std::string>;

ReadTraceSettingsResult Read(const Variables& variables) {
  const auto read = [&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  };
  return ReadTraceSettings(read, "1.2.3");
}

ReadTraceSettingsResult ReadWithEndpoint(Variables variables) {
  variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://c:4318";
  return Read(variables);
}

TEST(ReadTraceSettings, ExportsNothingWithoutAnEndpoint) {
  const auto [settings, warnings] = Read({{"OTEL_SERVICE_NAME", "x"}, {"OTEL_EXPORTER_OTLP_ENDPOINT", ""}});
  EXPECT_FALSE(settings.enabled());
  EXPECT_THAT(warnings, IsEmpty());
}

TEST(ReadTraceSettings, AddsThePathToTheGeneralEndpointAlone) {
  EXPECT_EQ(Read({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"}}).settings.collector.path, "/v1/traces");
  EXPECT_EQ(Read({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/otlp/"}}).settings.collector.path, "/otlp/v1/traces");
  const auto special = Read(
      {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"}, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t:9/mine"}});
  EXPECT_EQ(special.settings.collector, (fetch::HttpTarget{.host = "t", .port = 9, .path = "/mine"}));
}

TEST(ReadTraceSettings, NamesTheServiceAndItsResource) {
  EXPECT_THAT(ReadWithEndpoint({}).settings.resource,
              ElementsAre(Pair("service.name", "tensorferry-server"), Pair("service.version", "1.2.3")));
  EXPECT_THAT(
      ReadWithEndpoint({{"OTEL_RESOURCE_ATTRIBUTES", "service.name=a,zone=b%2Cc, host = d "}}).settings.resource,
      ElementsAre(Pair("service.name", "a"), Pair("service.version", "1.2.3"), Pair("zone", "b,c"), Pair("host", "d")));
  const auto both = ReadWithEndpoint({{"OTEL_SERVICE_NAME", "wins"}, {"OTEL_RESOURCE_ATTRIBUTES", "service.name=a"}});
  EXPECT_EQ(both.settings.resource.front().second, "wins");
}

TEST(ReadTraceSettings, ReadsSamplersByTheirNames) {
  const auto sampler = [](const std::string& name, const std::string& argument = "") {
    return ReadWithEndpoint({{"OTEL_TRACES_SAMPLER", name}, {"OTEL_TRACES_SAMPLER_ARG", argument}}).settings.sampler;
  };
  EXPECT_EQ(sampler(""), (Sampler{.parent_based = true, .ratio = 1}));
  EXPECT_EQ(sampler("always_on"), (Sampler{.parent_based = false, .ratio = 1}));
  EXPECT_EQ(sampler("always_off"), (Sampler{.parent_based = false, .ratio = 0}));
  EXPECT_EQ(sampler("traceidratio", "0.25"), (Sampler{.parent_based = false, .ratio = 0.25}));
  EXPECT_EQ(sampler("parentbased_always_off"), (Sampler{.parent_based = true, .ratio = 0}));
  EXPECT_EQ(sampler("parentbased_traceidratio", "0.5"), (Sampler{.parent_based = true, .ratio = 0.5}));
  EXPECT_EQ(sampler("parentbased_traceidratio"), (Sampler{.parent_based = true, .ratio = 1}));
}

TEST(ReadTraceSettings, SendsHeaders) {
  EXPECT_THAT(ReadWithEndpoint({{"OTEL_EXPORTER_OTLP_HEADERS", "api-key=se%20cret,x=y"}}).settings.headers,
              ElementsAre(Pair("api-key", "se cret"), Pair("x", "y")));
}

// What is wrong is a warning, and its default holds.
TEST(ReadTraceSettings, WarnsOfWhatCannotBeUsed) {
  const Variables wrong = {{"OTEL_TRACES_SAMPLER", "jaeger_remote"},
                           {"OTEL_EXPORTER_OTLP_HEADERS", "a=secret%0d%0ab: c"},
                           {"OTEL_EXPORTER_OTLP_TIMEOUT", "soon"},
                           {"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"},
                           {"OTEL_RESOURCE_ATTRIBUTES", "nothing"}};
  const auto [settings, warnings] = ReadWithEndpoint(wrong);
  EXPECT_TRUE(settings.enabled());
  EXPECT_EQ(settings.sampler, Sampler{});
  EXPECT_THAT(settings.headers, IsEmpty());
  EXPECT_EQ(warnings.size(), wrong.size());
  for (const std::string& warning : warnings) EXPECT_THAT(warning, Not(HasSubstr("secret")));
  EXPECT_THAT(Read({{"OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://c:4318"}}).warnings,
              ElementsAre(HasSubstr("OTEL_EXPORTER_OTLP_ENDPOINT: expected http://HOST:PORT")));
  EXPECT_THAT(ReadWithEndpoint({{"OTEL_TRACES_SAMPLER", "traceidratio"}, {"OTEL_TRACES_SAMPLER_ARG", "2"}}).warnings,
              ElementsAre(HasSubstr("OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1")));
}

TEST(ReadTraceSettings, CanBeSwitchedOff) {
  EXPECT_FALSE(ReadWithEndpoint({{"OTEL_SDK_DISABLED", "TRUE"}}).settings.enabled());
  EXPECT_FALSE(ReadWithEndpoint({{"OTEL_TRACES_EXPORTER", "none"}}).settings.enabled());
  EXPECT_TRUE(ReadWithEndpoint({{"OTEL_SDK_DISABLED", "false"}, {"OTEL_TRACES_EXPORTER", "otlp"}}).settings.enabled());
}

}  // namespace
}  // namespace tensorferry::tracing
