#include "bench/run.h"

#include <grpc/support/time.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "bench/stream.h"
#include "bench/unary.h"
#include "lib/channel.h"
#include "tensorferry/client/error.h"

namespace tensorferry::cli {
namespace {

constexpr std::size_t kMaxUnanswered = 1024;        // Open loop: bounds the memory that a hanging server costs.
constexpr std::chrono::milliseconds kTick{100};     // The longest time until an interruption is noticed.
constexpr std::chrono::milliseconds kTimer{2};      // gRPC's queue waits whole milliseconds, rounded up.
constexpr std::chrono::milliseconds kClosing{500};  // The time that streams have to end by themselves.

// ToTimespec may take steady_clock's time as it is: gRPC's monotonic clock is the same clock.
gpr_timespec ToTimespec(std::chrono::steady_clock::time_point time) {
  const std::chrono::nanoseconds since_epoch = time.time_since_epoch();
  return {.tv_sec = since_epoch.count() / 1'000'000'000,
          .tv_nsec = static_cast<std::int32_t>(since_epoch.count() % 1'000'000'000),
          .clock_type = GPR_CLOCK_MONOTONIC};
}

std::string ReasonOf(const absl::Status& status) {
  const client::Error error = client::ToError(status);
  return error.reason.empty() ? std::string(absl::StatusCodeToString(error.code)) : error.reason;
}

// Returns whether the unchanged request would be refused again. Without a reason of the server's the refusal is gRPC's
// own: a message that is too large, or a service that is not there.
bool WillBeRefusedAgain(const absl::Status& status) {
  const client::Error error = client::ToError(status);
  if (error.reason.empty()) return absl::IsResourceExhausted(status) || absl::IsUnimplemented(status);
  return error.retry_after.count() == 0;
}

}  // namespace

BenchChannels OpenBenchChannels(const std::string& address, int count, const client::ConnectOptions& options) {
  grpc::ChannelArguments arguments = client::CommonChannelArguments();
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // Else channels to one address share a connection.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);             // Failures are counted, and retries would slow each call.
  BenchChannels channels;
  for (int i = 0; i < count; ++i) {
    channels.push_back(client::OpenChannel(address, options, arguments));
  }
  return channels;
}

BenchRun::BenchRun(const BenchOptions& options, const BenchChannels& channels, std::span<const client::Array> arrays,
                   const std::vector<grpc::ByteBuffer>& request, const std::atomic<bool>& interrupted)
    : options_(options), arrays_(arrays), interrupted_(interrupted) {
  // An open loop sends any number of requests on a lane. Chunks of one array keep the next request on their stream
  // waiting.
  const bool lane_each = options.mode == BenchMode::kChunks && !options.rate;
  const int lanes = lane_each ? options.outstanding : 1;
  for (const std::shared_ptr<grpc::Channel>& channel : channels) {
    grpc::GenericStub& stub = *stubs_.emplace_back(std::make_unique<grpc::GenericStub>(channel));
    const BenchLane::Route route{stub, queue_, request, *this};
    for (int i = 0; i < lanes; ++i) {
      if (options.mode == BenchMode::kUnary) {
        lanes_.push_back(std::make_unique<UnaryLane>(route));
      } else {
        lanes_.push_back(std::make_unique<StreamLane>(route));
      }
    }
  }
}

BenchRun::~BenchRun() {
  state_ = State::kDropping;
  for (const auto& lane : lanes_) lane->Close();
  const auto idle = [&] { return std::ranges::all_of(lanes_, [](const auto& lane) { return lane->idle(); }); };
  for (Clock::time_point patience = Clock::now() + kClosing; !idle();) {
    if (TakeEvent(patience)) continue;
    CancelAll(State::kDropping);
    patience = Clock::now() + kClosing;
  }
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

BenchResult BenchRun::Measure(std::chrono::milliseconds duration) {
  result_ = {};
  state_ = State::kSending;
  const Clock::time_point start = Clock::now();
  last_answer_ = start;
  end_ = start + duration;
  schedule_.reset();
  if (options_.rate) schedule_.emplace(*options_.rate, options_.arrivals, start);
  if (!schedule_) {
    const int each = options_.mode == BenchMode::kChunks ? 1 : options_.outstanding;
    for (const auto& lane : lanes_) {
      for (int i = 0; i < each; ++i) Send(*lane, start);
    }
  }
  while (state_ == State::kSending || unanswered_ > 0) Step();
  const bool cut_short = state_ == State::kDropping;
  result_.elapsed = (cut_short ? Clock::now() : std::max(end_, last_answer_)) - start;
  return std::exchange(result_, {});
}

void BenchRun::Step() {
  const Clock::time_point now = Clock::now();
  if (interrupted_ && state_ != State::kDropping) CancelAll(State::kDropping);
  if (state_ == State::kSending) {
    const bool all_sent = !schedule_ || !SendDue(now);
    if (now >= end_ && all_sent) state_ = State::kWaiting;
  }
  if (state_ == State::kWaiting && now >= end_ + options_.patience) {
    result_.gave_up = unanswered_ > 0;
    CancelAll(State::kGivingUp);
  }
  if (state_ == State::kSending || unanswered_ > 0) Wait(now);
}

// SendDue sends the requests that are due by `now`. It returns true if more requests are to come.
bool BenchRun::SendDue(Clock::time_point now) {
  for (; schedule_->next() < end_ && schedule_->next() <= now && unanswered_ < kMaxUnanswered; schedule_->Advance()) {
    if (now - schedule_->next() > BenchResult::kLate) ++result_.late;
    Send(*lanes_[next_lane_++ % lanes_.size()], schedule_->next());
  }
  if (now < end_) return true;
  for (; schedule_->next() < end_; schedule_->Advance()) ++result_.unsent;
  return false;
}

void BenchRun::Send(BenchLane& lane, Clock::time_point intended) {
  ++unanswered_;
  lane.Send(intended);
}

void BenchRun::Answered(BenchLane& lane, const BenchAnswer& answer) {
  --unanswered_;
  if (state_ == State::kDropping) return;
  const Clock::time_point now = Clock::now();
  last_answer_ = now;
  Record(answer, now);
  if (state_ == State::kSending && !schedule_ && now < end_) Send(lane, now);
}

void BenchRun::Record(const BenchAnswer& answer, Clock::time_point now) {
  if (!answer.status.ok()) return Fail(answer.status);
  if (!checked_) {
    const absl::Status check = CheckResponse(*answer.message, answer.framing, arrays_, options_.digest);
    if (!check.ok()) {
      result_.ended = check;
      return CancelAll(State::kDropping);
    }
    checked_ = true;
  }
  ++result_.ok;
  result_.latency.Add(now - answer.intended);
  const client::Timing& timing = answer.summary.timing;
  result_.server.receive += timing.receive;
  result_.server.convert += timing.convert;
  result_.server.queue += timing.queue;
  result_.server.compute += timing.compute;
}

void BenchRun::Fail(const absl::Status& status) {
  const bool ours = state_ == State::kGivingUp && absl::IsCancelled(status);
  ++result_.errors[ReasonOf(ours ? absl::DeadlineExceededError("") : status)];
  if (client::IsUnreachable(status)) {
    result_.ended = status;  // Without a connection, thousands of further requests would fail for this reason.
    return CancelAll(State::kDropping);
  }
  if (result_.ok > 0 || !WillBeRefusedAgain(status)) return;
  result_.refused = status;
  CancelAll(State::kDropping);
}

void BenchRun::CancelAll(State next) {
  state_ = next;
  for (const auto& lane : lanes_) lane->Cancel();
}

// Wait returns after the next event, or when something falls due.
void BenchRun::Wait(Clock::time_point now) {
  Clock::time_point until = now + kTick;
  if (state_ == State::kSending) until = std::min(until, std::max(now, end_));
  const bool scheduled = state_ == State::kSending && schedule_ && unanswered_ < kMaxUnanswered;
  if (scheduled) until = std::min(until, schedule_->next() - kTimer);
  // The queue's timers are too coarse for short waits: here the thread polls, and lets others have the core between two
  // looks.
  if (!TakeEvent(until) && scheduled && until <= now) std::this_thread::yield();
}

// TakeEvent handles one event. It returns false if none came before `until`.
bool BenchRun::TakeEvent(Clock::time_point until) {
  void* tag = nullptr;
  bool ok = false;
  if (queue_.AsyncNext(&tag, &ok, ToTimespec(until)) != grpc::CompletionQueue::GOT_EVENT) return false;
  static_cast<BenchEvent*>(tag)->Happened(ok);
  return true;
}

}  // namespace tensorferry::cli
