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
// Text: `2026-01-31T23:59:59.123Z warning  message`; control characters of the message are escaped.
// JSON: `{"ts":"2026-01-31T23:59:59.123Z","level":"warning","msg":"message"}`, with "logger" if the logger has a name;
// bytes that are not UTF-8 become U+FFFD.
std::unique_ptr<spdlog::formatter> MakeLogFormatter(LogFormat format);

}  // namespace tensorferry::config
