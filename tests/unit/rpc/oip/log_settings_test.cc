#include "rpc/oip/log_settings.h"

#include <gmock/gmock.h>

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "rpc/triton_config/triton_proto.h"
#include "testing/captured_log.h"
#include "testing/status_matchers.h"

namespace tensorferry::rpc {
namespace {

using spdlog::level::level_enum;
using testing::HasSubstr;
using triton::LogSettingsRequest;
using triton::LogSettingsResponse;

using Value = LogSettingsRequest::SettingValue;

// LogSettingsTest changes the level of the logger that CapturedLog puts in the place of the process's own.
class LogSettingsTest : public testing::Test {
 protected:
  absl::StatusOr<LogSettingsResponse> Change(const LogSettingsRequest& request) {
    LogSettingsResponse response;
    TENSORFERRY_RETURN_IF_ERROR(ChangeLogSettings(request, response));
    return response;
  }

  absl::StatusOr<LogSettingsResponse> Change(const std::vector<std::pair<std::string, bool>>& bools) {
    LogSettingsRequest request;
    for (const auto& [name, value] : bools) (*request.mutable_settings())[name].set_bool_param(value);
    return Change(request);
  }

  absl::StatusOr<LogSettingsResponse> SetVerbose(std::uint32_t level) {
    LogSettingsRequest request;
    (*request.mutable_settings())["log_verbose_level"].set_uint32_param(level);
    return Change(request);
  }

  CapturedLog log_;
};

TEST_F(LogSettingsTest, AreAllSaidWhateverIsAsked) {
  const auto response = Change(LogSettingsRequest());
  ASSERT_THAT(response, IsOk());
  const auto& settings = response->settings();
  ASSERT_EQ(settings.size(), 6u);
  for (const char* const name : {"log_info", "log_warning", "log_error"}) EXPECT_TRUE(settings.at(name).bool_param());
  EXPECT_TRUE(settings.at("log_verbose_level").has_uint32_param());
  EXPECT_EQ(settings.at("log_verbose_level").uint32_param(), 0u);
  EXPECT_EQ(settings.at("log_format").string_param(), "ISO8601");
  EXPECT_TRUE(settings.at("log_file").has_string_param());
  EXPECT_EQ(spdlog::get_level(), spdlog::level::info) << "and asking changes nothing";
}

TEST_F(LogSettingsTest, DecideWhatIsLogged) {
  ASSERT_THAT(Change({{"log_info", false}}), IsOk());
  spdlog::info("dropped");
  spdlog::warn("kept");
  EXPECT_THAT(log_.Take(), testing::ElementsAre("kept"));
  ASSERT_THAT(SetVerbose(0), IsOk());
  EXPECT_EQ(spdlog::get_level(), spdlog::level::warn) << "what is not said stays";
  ASSERT_THAT(Change({{"log_info", true}}), IsOk());
  spdlog::info("again");
  EXPECT_THAT(log_.Take(), testing::ElementsAre("again"));
}

// Logs a line at each level, and returns those that are written.
std::string WrittenLevels(CapturedLog& log) {
  for (const level_enum level : {level_enum::critical, level_enum::err, level_enum::warn, level_enum::info,
                                 level_enum::debug, level_enum::trace}) {
    spdlog::log(level, spdlog::level::to_short_c_str(level));
  }
  std::string written;
  for (const std::string& line : log.Take()) written += line;
  return written;
}

struct LevelCase {
  std::string name;
  std::vector<std::pair<std::string, bool>> bools;
  std::uint32_t verbose;
  std::string written;
  friend void PrintTo(const LevelCase& c, std::ostream* out) { *out << c.name; }
};
class LogLevel : public LogSettingsTest, public testing::WithParamInterface<LevelCase> {};

TEST_P(LogLevel, HasASwitchOfItsOwn) {
  ASSERT_THAT(SetVerbose(GetParam().verbose), IsOk());
  const auto response = Change(GetParam().bools);
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(WrittenLevels(log_), GetParam().written);
  for (const auto& [name, value] : GetParam().bools) EXPECT_EQ(response->settings().at(name).bool_param(), value);
  EXPECT_EQ(response->settings().at("log_verbose_level").uint32_param(), GetParam().verbose) << "it stays as it was";
  const auto again = Change(LogSettingsRequest());
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->SerializeAsString().size(), response->SerializeAsString().size());
  for (const auto& [name, value] : response->settings()) {
    EXPECT_EQ(again->settings().at(name).SerializeAsString(), value.SerializeAsString()) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Levels, LogLevel,
    testing::ValuesIn(std::vector<LevelCase>{
        {"All", {{"log_info", true}, {"log_warning", true}, {"log_error", true}}, 0, "CEWI"},
        {"WithoutInfo", {{"log_info", false}}, 0, "CEW"},
        {"WithoutWarning", {{"log_warning", false}}, 0, "CEI"},
        {"WithoutError", {{"log_error", false}}, 0, "WI"},
        {"OnlyInfo", {{"log_warning", false}, {"log_error", false}}, 0, "I"},
        {"OnlyVerbose", {{"log_info", false}, {"log_warning", false}, {"log_error", false}}, 2, "DT"},
        {"VerboseWithoutInfo", {{"log_info", false}}, 1, "CEWD"},
        {"None", {{"log_info", false}, {"log_warning", false}, {"log_error", false}}, 0, ""},
    }),
    [](const auto& test) { return test.param.name; });

TEST_F(LogSettingsTest, HaveTwoVerboseLevels) {
  for (const auto& [verbose, level, said] :
       {std::tuple(1U, spdlog::level::debug, 1U), std::tuple(2U, spdlog::level::trace, 2U),
        std::tuple(~0U, spdlog::level::trace, 2U), std::tuple(0U, spdlog::level::info, 0U)}) {
    const auto response = SetVerbose(verbose);
    ASSERT_THAT(response, IsOk());
    EXPECT_EQ(spdlog::get_level(), level);
    EXPECT_EQ(response->settings().at("log_verbose_level").uint32_param(), said);
  }
}

struct RefusedSetting {
  std::string name, setting;
  std::function<void(Value&)> set;
  Reason reason;
  std::string why;
  friend void PrintTo(const RefusedSetting& c, std::ostream* out) { *out << c.name; }
};
class LogSettingRefused : public LogSettingsTest, public testing::WithParamInterface<RefusedSetting> {};

TEST_P(LogSettingRefused, ChangesNothingAndSaysWhy) {
  LogSettingsRequest request;
  (*request.mutable_settings())["log_verbose_level"].set_uint32_param(1);
  GetParam().set((*request.mutable_settings())[GetParam().setting]);
  EXPECT_THAT(Change(request), Fails(GetParam().reason, HasSubstr(GetParam().why)));
  EXPECT_EQ(spdlog::get_level(), spdlog::level::info);
}

const auto kTrue = [](Value& value) { value.set_bool_param(true); };
const auto kTextValue = [](Value& value) { value.set_string_param("default"); };
const auto kNoValue = [](Value&) {};

INSTANTIATE_TEST_SUITE_P(
    Settings, LogSettingRefused,
    testing::ValuesIn(std::vector<RefusedSetting>{
        {"Unknown", "log_loudly", kTrue, Reason::kInputMismatch, "log setting 'log_loudly': expected log_info, "},
        {"InfoAsText", "log_info", kTextValue, Reason::kInputMismatch, "expected a bool (bool_param)"},
        {"InfoOfNothing", "log_info", kNoValue, Reason::kInputMismatch, "expected a bool (bool_param)"},
        {"VerboseAsBool", "log_verbose_level", kTrue, Reason::kInputMismatch, "expected a number (uint32_param)"},
        {"Format", "log_format", kTextValue, Reason::kInputMismatch, "expected ISO8601, the only one"},
        {"File", "log_file", kTextValue, Reason::kOperatorUnsupported, "can not be updated through network protocol"},
    }),
    [](const auto& test) { return test.param.name; });

// The server takes the settings back in the form in which it tells them.
TEST_F(LogSettingsTest, MayBeSentAsTheyWereSaid) {
  const auto response = SetVerbose(1);
  ASSERT_THAT(response, IsOk());
  LogSettingsRequest request;
  ASSERT_TRUE(request.ParseFromString(response->SerializeAsString()));  // Both messages have the same fields.
  EXPECT_THAT(Change(request), IsOk());
  EXPECT_EQ(spdlog::get_level(), spdlog::level::debug);
}

}  // namespace
}  // namespace tensorferry::rpc
