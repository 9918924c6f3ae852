#include "tracing/span_exporter.h"

#include <fmt/format.h>
#include <pthread.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <iterator>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/start_thread.h"
#include "fetch/http_request.h"
#include "tracing/otlp_json.h"

namespace tensorferry::tracing {
namespace {

constexpr std::chrono::seconds kLeastPause{1};
constexpr std::chrono::seconds kMostPause{30};

std::chrono::seconds NextPause(std::chrono::seconds pause) { return std::clamp(2 * pause, kLeastPause, kMostPause); }

}  // namespace

struct SpanExporter::State {
  explicit State(TraceSettings to) : settings(std::move(to)) {}

  void Run();
  std::vector<CallSpans> TakeBatch();
  bool Send(const std::vector<CallSpans>& batch);
  void OnFailure(const std::string& problem, std::chrono::seconds retry_after);
  void OnSuccess();
  void Pause();

  const TraceSettings settings;
  std::atomic<std::uint64_t> exported = 0;
  std::atomic<std::uint64_t> dropped = 0;

  // For the thread alone.
  std::chrono::seconds pause{0};  // How long to wait before the next attempt.
  bool failing = false;           // Whether the log has told of a failure.

  std::mutex mutex;  // Guards what follows.
  std::condition_variable changed;
  std::deque<CallSpans> waiting;
  bool sending = false;
  bool flushing = false;
  bool ending = false;
};

std::vector<CallSpans> SpanExporter::State::TakeBatch() {
  std::unique_lock lock(mutex);
  sending = false;
  changed.notify_all();
  changed.wait_for(lock, kInterval, [this] { return ending || flushing || waiting.size() >= kMostInBatch; });
  const auto size = static_cast<std::ptrdiff_t>(std::min(waiting.size(), kMostInBatch));
  std::vector<CallSpans> batch(std::make_move_iterator(waiting.begin()),
                               std::make_move_iterator(waiting.begin() + size));
  waiting.erase(waiting.begin(), waiting.begin() + size);
  sending = size > 0;
  if (waiting.empty()) flushing = false;
  return batch;
}

void SpanExporter::State::Pause() {
  std::unique_lock lock(mutex);
  changed.wait_for(lock, pause, [this] { return ending || flushing; });
}

void SpanExporter::State::OnFailure(const std::string& problem, std::chrono::seconds retry_after) {
  pause = retry_after.count() > 0 ? retry_after : NextPause(pause);
  if (std::exchange(failing, true)) return;
  spdlog::warn("tracing: {} does not take spans, which are dropped until it does: {}",
               fetch::NameOf(settings.collector), problem);
}

void SpanExporter::State::OnSuccess() {
  pause = std::chrono::seconds(0);
  if (!std::exchange(failing, false)) return;
  spdlog::info("tracing: {} takes spans again; those of {} requests were dropped so far",
               fetch::NameOf(settings.collector), dropped.load());
}

bool SpanExporter::State::Send(const std::vector<CallSpans>& batch) {
  try {
    const auto answer =
        fetch::Send(settings.collector,
                    {.headers = settings.headers, .body = ToOtlpJson(batch, settings), .ca_file = settings.ca_file},
                    settings.timeout);
    if (!answer.ok()) {
      OnFailure(std::string(answer.status().message()), std::chrono::seconds(0));
      return false;
    }
    if (answer->status < 200 || answer->status > 299) {
      OnFailure(fmt::format("it answers with status {}", answer->status), answer->retry_after);
      return false;
    }
  } catch (const std::exception& error) {  // Boost's, or no memory.
    OnFailure(error.what(), std::chrono::seconds(0));
    return false;
  }
  OnSuccess();
  return true;
}

void SpanExporter::State::Run() {
  while (true) {
    const std::vector<CallSpans> batch = TakeBatch();
    if (batch.empty()) {
      const std::lock_guard lock(mutex);
      if (ending) return;
      continue;
    }
    (Send(batch) ? exported : dropped) += batch.size();
    if (pause.count() > 0) Pause();
  }
}

SpanExporter::SpanExporter(TraceSettings settings) : state_(std::make_shared<State>(std::move(settings))) {
  StartThread("exporting spans", [state = state_] {
    pthread_setname_np(pthread_self(), "span-exporter");
    state->Run();
  }).detach();
}

SpanExporter::~SpanExporter() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->dropped += state_->waiting.size();
    state_->waiting.clear();
    state_->ending = true;
  }
  state_->changed.notify_all();
}

const Sampler& SpanExporter::sampler() const { return state_->settings.sampler; }

void SpanExporter::Add(CallSpans call) {
  bool is_batch = false;
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->waiting.size() == kMostWaiting) {
      ++state_->dropped;
      return;
    }
    state_->waiting.push_back(std::move(call));
    is_batch = state_->waiting.size() == kMostInBatch;
  }
  if (is_batch) state_->changed.notify_all();
}

void SpanExporter::Flush(std::chrono::milliseconds most) {
  std::unique_lock lock(state_->mutex);
  if (state_->waiting.empty() && !state_->sending) return;
  state_->flushing = true;
  state_->changed.notify_all();
  state_->changed.wait_for(lock, most, [this] { return state_->waiting.empty() && !state_->sending; });
}

std::uint64_t SpanExporter::exported() const { return state_->exported; }
std::uint64_t SpanExporter::dropped() const { return state_->dropped; }

}  // namespace tensorferry::tracing
