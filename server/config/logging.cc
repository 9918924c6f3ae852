#include "config/logging.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <spdlog/sinks/sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/log_fields.h"
#include "base/start_thread.h"
#include "base/switched_logger.h"
#include "base/text.h"
#include "config/line_writer.h"

namespace tensorferry::config {
namespace {

// Formats a time as RFC 3339 has it, in UTC, with milliseconds.
std::string FormatTime(std::chrono::system_clock::time_point time) {
  const auto since_epoch = std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch());
  return fmt::format("{:%FT%T}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(time)),
                     (since_epoch % std::chrono::seconds(1)).count());
}

std::string_view View(spdlog::string_view_t text) { return {text.data(), text.size()}; }

// Returns a message without the blanks at its end, which it has if its last part, such as the words of a library or what
// a model prints, is empty or ends with them.
std::string_view MessageOf(const spdlog::details::log_msg& message) {
  const std::string_view text = View(message.payload);
  return text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
}

std::string FormatNumber(double number) { return fmt::format("{:.3f}", number); }

// Returns whether a value can be told from what surrounds it without quotes.
bool IsWord(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7F && c != '"' && c != '='; });
}

std::string TextOf(const LogField& field) {
  if (const auto* const number = std::get_if<std::uint64_t>(&field.value)) return fmt::to_string(*number);
  if (const auto* const number = std::get_if<double>(&field.value)) return FormatNumber(*number);
  const std::string& text = std::get<std::string>(field.value);
  constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;
  return IsWord(text) ? text : nlohmann::ordered_json(text).dump(-1, ' ', false, kReplace);
}

std::string FormatText(const spdlog::details::log_msg& message) {
  std::string line = fmt::format("{} {:<7} {}", FormatTime(message.time), spdlog::level::to_string_view(message.level),
                                 OneLine(MessageOf(message)));
  if (const LogFields* const fields = LoggedFields::Get()) {
    for (const LogField& field : fields->fields) line += fmt::format(" {}={}", field.key, OneLine(TextOf(field)));
  }
  line.erase(line.find_last_not_of(' ') + 1);  // Nothing was said.
  return line + '\n';
}

void AddFields(const LogFields& fields, nlohmann::ordered_json& line) {
  for (const LogField& field : fields.fields) {
    auto& value = line[std::string(field.key)];
    if (const auto* const number = std::get_if<std::uint64_t>(&field.value)) {
      value = *number;
    } else if (const auto* const fraction = std::get_if<double>(&field.value)) {
      value = nlohmann::ordered_json::parse(FormatNumber(*fraction));
    } else {
      value = std::get<std::string>(field.value);
    }
  }
}

std::string FormatJson(const spdlog::details::log_msg& message) {
  nlohmann::ordered_json line;
  line["ts"] = FormatTime(message.time);
  line["level"] = View(spdlog::level::to_string_view(message.level));
  if (message.logger_name.size() > 0) line["logger"] = View(message.logger_name);
  const LogFields* const fields = LoggedFields::Get();
  if (fields != nullptr) line["event"] = fields->event;
  line["msg"] = MessageOf(message);
  if (fields != nullptr) AddFields(*fields, line);
  return WithoutSteering(line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace)) + '\n';
}

class LineFormatter : public spdlog::formatter {
 public:
  using Format = std::string (*)(const spdlog::details::log_msg&);

  explicit LineFormatter(Format to_line) : to_line_(to_line) {}

  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) override {
    const std::string text = to_line_(message);
    line.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<LineFormatter>(to_line_); }

 private:
  Format to_line_;
};

std::string LineOf(spdlog::formatter& formatter, const spdlog::details::log_msg& message) {
  spdlog::memory_buf_t line;
  formatter.format(message, line);
  return {line.data(), line.size()};
}

std::string LeftOut(spdlog::formatter& formatter, std::uint64_t count) {
  const std::string text = fmt::format(
      "{} lines of the log are left out here: nobody read them in time, or they could not be written", count);
  return LineOf(formatter, spdlog::details::log_msg("", spdlog::level::warn, text));
}

// StderrSink hands lines to a LineWriter, which nobody waits for. A flush waits, for kMostAtEnd.
// Threads: any; a line is made on the thread that logs it, without a lock.
class StderrSink final : public spdlog::sinks::sink {
 public:
  // Copies the descriptor, so that StandardStreams may put another in its place.
  explicit StderrSink(const std::shared_ptr<spdlog::formatter>& formatter)
      : formatter_(formatter),
        writer_(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1),
                [formatter](std::uint64_t count) { return LeftOut(*formatter, count); }) {}

  void log(const spdlog::details::log_msg& message) override { writer_.Write(LineOf(*formatter_, message)); }
  void flush() override { AwaitWrittenLines(LineWriter::kMostAtEnd); }
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

 private:
  const std::shared_ptr<spdlog::formatter> formatter_;  // A LineFormatter, which has no state.
  LineWriter writer_;
};

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace: return spdlog::level::trace;
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarning: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
    case LogLevel::kOff: return spdlog::level::off;
  }
  __builtin_unreachable();
}

void LogTo(spdlog::sink_ptr sink, LogLevel level) {
  auto logger = std::make_shared<SwitchedLogger>("", std::move(sink), ToSpdlog(level));
  // spdlog would write to standard error that a line cannot be made, as when there is no memory for it.
  logger->set_error_handler([](const std::string&) {});
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace

std::unique_ptr<spdlog::formatter> MakeLogFormatter(LogFormat format) {
  return std::make_unique<LineFormatter>(format == LogFormat::kJson ? &FormatJson : &FormatText);
}

void SetUpLogging(LogLevel level, LogFormat format) {
  try {
    LogTo(std::make_shared<StderrSink>(MakeLogFormatter(format)), level);
  } catch (const NoThread&) {
    // The process ends then, with one line, which spdlog's own logger would write to standard output.
    const auto direct = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    direct->set_formatter(MakeLogFormatter(format));
    LogTo(direct, level);
    throw;
  }
}

}  // namespace tensorferry::config
