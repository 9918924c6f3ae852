#pragma once

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/switched_logger.h"

namespace tensorferry {

// CapturedLog takes what is logged, from the level that a server logs by default. Its destructor restores the logger.
class CapturedLog {
 public:
  CapturedLog() {
    auto logger = std::make_shared<SwitchedLogger>("captured", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_),
                                                   spdlog::level::info);
    logger->set_pattern("%v");
    spdlog::set_default_logger(std::move(logger));
  }
  CapturedLog(const CapturedLog&) = delete;
  CapturedLog& operator=(const CapturedLog&) = delete;
  ~CapturedLog() { spdlog::set_default_logger(former_); }

  // Take returns the lines since its last call.
  std::vector<std::string> Take() {
    std::vector<std::string> lines;
    std::istringstream text(std::exchange(text_, std::ostringstream()).str());
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return lines;
  }

 private:
  const std::shared_ptr<spdlog::logger> former_ = spdlog::default_logger();
  std::ostringstream text_;
};

}  // namespace tensorferry
