#include "inference/tensor/torch_log.h"

#include <c10/util/Exception.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <torch/csrc/jit/runtime/print_handler.h>

#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <variant>

namespace tensorferry::inference {
namespace {

// WarningsToLog writes what torch and the authors of models warn of. Each text of a place in the source is logged at
// `warning` once, up to a number of texts, and at `debug` from then on: callers decide how often a model runs and which
// values a text holds, and must not fill the log.
class WarningsToLog final : public c10::WarningHandler {
 public:
  void process(const c10::Warning& warning) override {
    const c10::SourceLocation& at = warning.source_location();
    const std::string place = fmt::format("{}:{}", at.file, at.line);
    const bool for_developers = std::holds_alternative<c10::DeprecationWarning>(warning.type());
    const auto level = !for_developers && IsNew(place, warning.msg()) ? spdlog::level::warn : spdlog::level::debug;
    spdlog::log(level, "torch: {} ({})", warning.msg(), place);
  }

 private:
  static constexpr std::size_t kMaxPlaces = 1000;
  // TorchScript names a place by the line in the model's file, where those of several models may have the same name.
  static constexpr std::size_t kMaxTextsOfPlace = 8;

  bool IsNew(const std::string& place, const std::string& text) {
    const std::lock_guard lock(mutex_);
    if (texts_.size() == kMaxPlaces && !texts_.contains(place)) return false;
    std::unordered_set<std::size_t>& texts = texts_[place];
    return texts.size() < kMaxTextsOfPlace && texts.insert(std::hash<std::string>()(text)).second;
  }

  std::mutex mutex_;                                                        // Guards texts_.
  std::unordered_map<std::string, std::unordered_set<std::size_t>> texts_;  // The hashes of the texts of each place.
};

void LogPrinted(const std::string& printed) {
  std::string_view text = printed;
  if (text.ends_with('\n')) text.remove_suffix(1);
  spdlog::debug("a model printed: {}", text);
}

}  // namespace

void SendPrintsToLog() { torch::jit::setPrintHandler(LogPrinted); }

void SetWarningHandler() {
  // It is never destroyed, because threads of torch's may warn until the process has ended.
  static auto* const handler = new WarningsToLog;
  c10::WarningUtils::set_warning_handler(handler);
}

}  // namespace tensorferry::inference
