#pragma once

#include <spdlog/formatter.h>

#include <memory>

#include "config/config.h"

namespace tensorferry::config {

// Makes spdlog's default logger a SwitchedLogger that writes to stderr, one line per message, whatever bytes it holds.
// Nobody waits for a reader: see LineWriter. A flush of the logger waits until all is written, at most for
// LineWriter::kMostAtEnd. Call SetUpLogging before the first thread that logs is started.
// Errors: throws NoThread; what is logged from then on is written by whoever logs it.
void SetUpLogging(LogLevel level, LogFormat format);

// Makes the formatter of log lines. Times are UTC.
// Text: `2026-01-31T23:59:59.123Z warning  message`, then ` key=value` for each of the line's LogFields, in quotes where
// the value is no plain word; control characters are escaped.
// JSON: `{"ts":"2026-01-31T23:59:59.123Z","level":"warning","msg":"message"}`, with "logger" if the logger has a name, and
// "event" and the other fields of LogFields;
// bytes that are not UTF-8 become U+FFFD, and the characters of WithoutSteering JSON's escapes.
std::unique_ptr<spdlog::formatter> MakeLogFormatter(LogFormat format);

}  // namespace tensorferry::config
