// Fields of a line of the log, beside its message.
#pragma once

#include <spdlog/spdlog.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tensorferry {

// LogField is one field. A text may hold any bytes: the log's formatter escapes what it must.
struct LogField {
  std::string_view key;  // In static storage.
  std::variant<std::string, std::uint64_t, double> value;
};

struct LogFields {
  std::string_view event{};  // What the line tells of: "access". In static storage.
  std::vector<LogField> fields{};

  void Add(std::string_view key, std::string text) {
    if (!text.empty()) fields.push_back({key, std::move(text)});
  }
  void Add(std::string_view key, std::uint64_t number) { fields.push_back({key, number}); }
  void Add(std::string_view key, double number) { fields.push_back({key, number}); }
};

// LoggedFields holds the fields of the line that its thread logs, for the formatter, which spdlog hands the message alone.
class LoggedFields {
 public:
  explicit LoggedFields(const LogFields& fields) { of_thread_ = &fields; }
  LoggedFields(const LoggedFields&) = delete;
  LoggedFields& operator=(const LoggedFields&) = delete;
  ~LoggedFields() { of_thread_ = nullptr; }

  // Returns null if the line has none.
  static const LogFields* Get() { return of_thread_; }

 private:
  inline static thread_local const LogFields* of_thread_ = nullptr;
};

// Logs a line with fields through spdlog's default logger.
inline void LogWithFields(spdlog::level::level_enum level, const LogFields& fields, std::string_view message) {
  const LoggedFields logged(fields);
  spdlog::log(level, "{}", message);
}

}  // namespace tensorferry
