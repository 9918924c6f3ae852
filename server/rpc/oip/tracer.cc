#include "rpc/oip/tracer.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/status.h"
#include "rpc/oip/datatype.h"

namespace tensorferry::rpc {
namespace {

constexpr char kOff[] = "OFF";
constexpr char kTimestamps[] = "TIMESTAMPS";
constexpr char kTensors[] = "TENSORS";

absl::Status Refuse(const std::string& name, const std::string& expected, const std::string& actual) {
  return MakeError(Reason::kInputMismatch,
                   fmt::format("trace setting {}: expected {}, got {}", Quote(name), expected, Quote(actual)),
                   {.field = "settings", .expected = expected, .actual = Quote(actual)});
}

absl::StatusOr<std::int64_t> ReadNumber(const std::string& name, const std::vector<std::string>& values,
                                        std::int64_t least) {
  const std::string expected = fmt::format("one number of {} or more", least);
  if (values.size() != 1) return Refuse(name, expected, fmt::format("{} values", values.size()));
  const std::string& text = values.front();
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < least) return Refuse(name, expected, text);
  return number;
}

bool Has(const std::vector<std::string>& values, std::string_view value) {
  return std::ranges::find(values, value) != values.end();
}

nlohmann::ordered_json TensorsOf(const std::vector<inference::TensorResult>& results) {
  nlohmann::ordered_json tensors = nlohmann::ordered_json::array();
  for (const inference::TensorResult& result : results) {
    tensors.push_back(
        {{"name", result.metadata.name},
         {"datatype", OipNameOf(result.metadata.dtype)},
         {"shape", std::vector<std::int64_t>(result.metadata.shape.begin(), result.metadata.shape.end())}});
  }
  return tensors;
}

}  // namespace

absl::Status Tracer::Apply(const std::string& name, const std::vector<std::string>& values, Settings& settings) {
  if (name == "trace_level") {
    settings.level.reset();
    if (values.empty()) return absl::OkStatus();
    for (const std::string& value : values) {
      if (value != kOff && value != kTimestamps && value != kTensors) {
        return Refuse(name, fmt::format("{}, {} or {}", kOff, kTimestamps, kTensors), value);
      }
    }
    if (values.size() > 1 && Has(values, kOff)) return Refuse(name, "OFF alone", "OFF with others");
    settings.level = values;
  } else if (name == "trace_rate" || name == "trace_count") {
    std::optional<std::int64_t>& setting = name == "trace_rate" ? settings.rate : settings.count;
    setting.reset();
    if (values.empty()) return absl::OkStatus();
    TENSORFERRY_ASSIGN_OR_RETURN(setting, ReadNumber(name, values, name == "trace_rate" ? 1 : -1));
  } else if (name == "log_frequency") {
    if (!values.empty() && values != std::vector<std::string>{"0"}) {
      return Refuse(name, "0: traces are lines of the log, each written at once", values.front());
    }
  } else if (name == "trace_file") {
    return MakeError(Reason::kOperatorUnsupported,
                     "trace_file can not be updated through network protocol: traces are "
                     "lines of the log");
  } else {
    return Refuse(name, "trace_level, trace_rate, trace_count or log_frequency", name);
  }
  return absl::OkStatus();
}

absl::Status Tracer::Set(const std::string& model, const Values& values) {
  const MutexLock lock(mutex_);
  Settings changed = model.empty() ? of_all_ : of_models_[model];
  for (const auto& [name, value] : values) TENSORFERRY_RETURN_IF_ERROR(Apply(name, value, changed));
  (model.empty() ? of_all_ : of_models_[model]) = std::move(changed);
  const auto traces = [](const Settings& settings) { return settings.level && !Has(*settings.level, kOff); };
  active_ = traces(of_all_) || std::ranges::any_of(of_models_, [&](const auto& each) { return traces(each.second); });
  return absl::OkStatus();
}

Tracer::Effective Tracer::EffectiveOf(const std::string& model) const {
  Effective effective;
  const auto own = of_models_.find(model);
  for (const Settings* const settings : {&of_all_, own == of_models_.end() ? nullptr : &own->second}) {
    if (settings == nullptr) continue;
    if (settings->level) {
      const bool off = Has(*settings->level, kOff);
      effective.timestamps = !off && Has(*settings->level, kTimestamps);
      effective.tensors = !off && Has(*settings->level, kTensors);
    }
    effective.rate = settings->rate.value_or(effective.rate);
    effective.count = settings->count.value_or(effective.count);
  }
  return effective;
}

Tracer::Values Tracer::Get(const std::string& model) const {
  const MutexLock lock(mutex_);
  const Effective effective = EffectiveOf(model);
  Values values{{"trace_level", {}},
                {"trace_rate", {fmt::to_string(effective.rate)}},
                {"trace_count", {fmt::to_string(effective.count)}},
                {"log_frequency", {"0"}},
                {"trace_file", {""}}};
  std::vector<std::string>& level = values["trace_level"];
  if (effective.timestamps) level.emplace_back(kTimestamps);
  if (effective.tensors) level.emplace_back(kTensors);
  if (level.empty()) level.emplace_back(kOff);
  return values;
}

void Tracer::RecordIfSampled(const Response& response) {
  const inference::PipelineResponse& result = response.result;
  nlohmann::ordered_json line;
  {  // The line is written after the lock is released: the log may have to wait for its reader.
    const MutexLock lock(mutex_);
    const Effective effective = EffectiveOf(result.model_name);
    const std::uint64_t seen = seen_[result.model_name]++;
    const bool sampled = seen % static_cast<std::uint64_t>(effective.rate) == 0;
    if (!sampled || effective.count == 0 || !(effective.timestamps || effective.tensors)) return;
    const auto own = of_models_.find(result.model_name);
    Settings& counts = own != of_models_.end() && own->second.count ? own->second : of_all_;
    if (effective.count > 0) counts.count = effective.count - 1;
    line["id"] = ++traced_;
    line["model_name"] = result.model_name;
    line["model_version"] = result.model_version;
    line["request_id"] = response.request_id;
    if (effective.timestamps) {
      const auto now = std::chrono::system_clock::now().time_since_epoch();
      line["request_end_ns"] = std::chrono::nanoseconds(now).count();
      line["receive_ns"] = response.receive_time.count();
      line["queue_ns"] = result.queue_time.count();
      line["compute_input_ns"] = result.convert_time.count();
      line["compute_infer_ns"] = result.compute_time.count();
    }
    if (effective.tensors) {
      line["inputs"] = TensorsOf(result.tensors);
      line["outputs"] = TensorsOf(result.outputs);
    }
  }
  spdlog::info("trace: {}", line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

}  // namespace tensorferry::rpc
