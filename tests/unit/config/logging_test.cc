#include "config/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <string_view>

#include "base/log_fields.h"

namespace tensorferry::config {
namespace {

using testing::HasSubstr;

// kTime is 2026-01-31T23:59:59.007Z, by `date -u -d @1769903999`.
const spdlog::log_clock::time_point kTime{std::chrono::milliseconds(1769903999007)};

// AllBytes returns every byte that there is.
std::string AllBytes() {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  return bytes;
}

// Line returns what a logger of that format writes for one message.
std::string Line(LogFormat format, std::string_view message, const std::string& logger_name = "") {
  std::ostringstream out;
  spdlog::logger logger(logger_name, std::make_shared<spdlog::sinks::ostream_sink_st>(out));
  logger.set_formatter(MakeLogFormatter(format));
  logger.log(kTime, spdlog::source_loc{}, spdlog::level::warn, {message.data(), message.size()});
  return out.str();
}

TEST(TextLog, IsTimeLevelAndMessage) {
  EXPECT_EQ(Line(LogFormat::kText, "model 'm' is ready"), "2026-01-31T23:59:59.007Z warning model 'm' is ready\n");
}

TEST(TextLog, IsOneLineWhateverTheMessage) {
  EXPECT_THAT(Line(LogFormat::kText, "a\nb\r\x1b[31m\xC3\xA9"), HasSubstr("a\\nb\\x0d\\x1b[31m\xC3\xA9\n"));
  const std::string line = Line(LogFormat::kText, AllBytes());
  EXPECT_EQ(line.find_first_of(std::string_view("\0\a\b\t\n\v\f\r\x1b\x7f", 10)), line.size() - 1);
}

TEST(Log, HasNoBlanksAtTheEndOfAMessage) {
  for (const char* const message : {"said: ", "said:\t \n", "said: \r\n", "said:"}) {
    EXPECT_EQ(Line(LogFormat::kText, message), "2026-01-31T23:59:59.007Z warning said:\n");
    EXPECT_EQ(nlohmann::json::parse(Line(LogFormat::kJson, message))["msg"], "said:");
  }
  EXPECT_EQ(Line(LogFormat::kText, " \n"), "2026-01-31T23:59:59.007Z warning\n");
  EXPECT_EQ(nlohmann::json::parse(Line(LogFormat::kJson, " \n"))["msg"], "");
}

TEST(JsonLog, IsOneObject) {
  const auto object = nlohmann::json::parse(Line(LogFormat::kJson, "say \"hi\"\n\\"));
  EXPECT_EQ(object,
            (nlohmann::json{{"ts", "2026-01-31T23:59:59.007Z"}, {"level", "warning"}, {"msg", "say \"hi\"\n\\"}}));
}

TEST(JsonLog, NamesTheLoggerIfItHasAName) {
  EXPECT_EQ(nlohmann::json::parse(Line(LogFormat::kJson, "m", "access"))["logger"], "access");
}

TEST(JsonLog, IsOneLineWhateverTheMessage) {
  const std::string line = Line(LogFormat::kJson, AllBytes());
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const std::string message = nlohmann::json::parse(line)["msg"];
  EXPECT_EQ(message.substr(0, 128), AllBytes().substr(0, 128));
  EXPECT_THAT(message, HasSubstr("\xEF\xBF\xBD"));  // U+FFFD.
}

// LineWithFields returns what a logger of that format writes for a message with fields.
std::string LineWithFields(LogFormat format, const LogFields& fields) {
  const LoggedFields logged(fields);
  return Line(format, "access");
}

LogFields ExampleFields() {
  LogFields fields{.event = "access"};
  fields.Add("method", "a.B/C");
  fields.Add("id", "two \"words\"\n");
  fields.Add("empty", "");
  fields.Add("bytes", std::uint64_t{18446744073709551615U});
  fields.Add("duration_ms", 0.0625);
  return fields;
}

TEST(JsonLog, HasTheFieldsOfALine) {
  const auto object = nlohmann::json::parse(LineWithFields(LogFormat::kJson, ExampleFields()));
  EXPECT_EQ(object, (nlohmann::json{{"ts", "2026-01-31T23:59:59.007Z"},
                                    {"level", "warning"},
                                    {"event", "access"},
                                    {"msg", "access"},
                                    {"method", "a.B/C"},
                                    {"id", "two \"words\"\n"},
                                    {"bytes", 18446744073709551615U},
                                    {"duration_ms", 0.062}}));
}

TEST(TextLog, HasTheFieldsOfALine) {
  EXPECT_EQ(LineWithFields(LogFormat::kText, ExampleFields()),
            "2026-01-31T23:59:59.007Z warning access method=a.B/C id=\"two \\\"words\\\"\\n\" "
            "bytes=18446744073709551615 duration_ms=0.062\n");
}

TEST(JsonLog, EscapesWhatReordersALine) {
  const std::string line = Line(LogFormat::kJson, "a\u202Eb\u2028c");
  EXPECT_THAT(line, HasSubstr("a\\u202eb\\u2028c"));
  EXPECT_EQ(nlohmann::json::parse(line)["msg"], "a\u202Eb\u2028c");
}

TEST(SetUpLogging, WritesToStderrFromTheLevelUp) {
  testing::internal::CaptureStderr();
  SetUpLogging(LogLevel::kWarning, LogFormat::kJson);
  spdlog::info("dropped");
  spdlog::warn("kept");
  spdlog::default_logger_raw()->flush();
  EXPECT_EQ(nlohmann::json::parse(testing::internal::GetCapturedStderr())["msg"], "kept");
}

TEST(SetUpLogging, OffIsSilent) {
  testing::internal::CaptureStderr();
  SetUpLogging(LogLevel::kOff, LogFormat::kText);
  spdlog::critical("dropped");
  spdlog::default_logger_raw()->flush();
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace tensorferry::config
