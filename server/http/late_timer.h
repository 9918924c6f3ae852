#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <utility>

namespace tensorferry::http {

// LateTimer says when what is waited for is late. Most waits end long before, and to set a timer is a call of the system: so
// it is set anew only if it would look too late, and by itself.
// Threads: one handler at a time.
class LateTimer {
 public:
  // `late` is called on `executor`.
  LateTimer(const boost::asio::any_io_executor& executor, std::function<void()> late)
      : timer_(executor), late_(std::move(late)) {}

  // Waits for something else from now on, for at most `limit`. Keeps `owner`, to whom `late` belongs.
  void Expect(std::chrono::milliseconds limit, std::shared_ptr<const void> owner) {
    due_ = Clock::now() + limit;
    if (due_ < set_to_) Set(std::move(owner));
  }

  // Waits for nothing until the next Expect.
  void Forget() { due_ = kNever; }

  // Forgets, and lets the owner go.
  void Stop() {
    Forget();
    timer_.cancel();
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr Clock::time_point kNever = Clock::time_point::max();

  void Set(std::shared_ptr<const void> owner) {
    set_to_ = due_;
    timer_.expires_at(set_to_);
    timer_.async_wait([this, owner = std::move(owner)](const boost::system::error_code& error) {
      // A look may have been put off when it was on its way already.
      if (!error && timer_.expiry() <= Clock::now()) Look(owner);
    });
  }

  void Look(const std::shared_ptr<const void>& owner) {
    set_to_ = kNever;
    if (due_ == kNever) return;
    due_ <= Clock::now() ? late_() : Set(owner);
  }

  boost::asio::steady_timer timer_;
  const std::function<void()> late_;
  Clock::time_point due_ = kNever;     // When what is waited for is late.
  Clock::time_point set_to_ = kNever;  // When the timer looks at that.
};

}  // namespace tensorferry::http
