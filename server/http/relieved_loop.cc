#include "http/relieved_loop.h"

#include <spdlog/spdlog.h>

#include <boost/asio/post.hpp>
#include <exception>
#include <new>
#include <system_error>

namespace tensorferry::http {

RelievedLoop::RelievedLoop(boost::asio::io_context& io) : io_(io) {
  watch_.emplace(
      kLookInterval, [this] { Look(); }, "watching the HTTP port");
}

void RelievedLoop::Run() {
  running_.lock();
  while (!io_.stopped()) {
    RunOne([this] { io_.run_one(); });
    if (returning_ > 0) LetReturn();
  }
  running_.unlock();
  watch_.reset();
  for (Relief& relief : reliefs_) relief.thread.join();
}

// Such as for want of memory: the connection whose handler throws is not kept by another one, and so ends.
template <typename Wait>
void RelievedLoop::RunOne(const Wait& wait) {
  try {
    wait();
  } catch (const std::exception& error) {
    spdlog::debug("http: a connection was ended: {}", error.what());
  }
}

// Takes running_, from a relief thread if one has begun.
void RelievedLoop::Return() {
  if (running_.try_lock()) return;
  ++returning_;
  try {
    boost::asio::post(io_, [] {});   // If that thread waits for an event, this is one.
  } catch (const std::bad_alloc&) {  // Then it sees returning_ when it has waited for kLookInterval.
    spdlog::debug("http: no memory to wake a relief thread");
  }
  running_.lock();
  --returning_;
  returning_.notify_all();
}

// Lets those go on with their handlers who wait for that, and then goes on itself.
void RelievedLoop::LetReturn() {
  running_.unlock();
  for (int waiting = returning_; waiting > 0; waiting = returning_) returning_.wait(waiting);
  Return();
}

// Starts a relief thread if the same work is aside as at the last look, and nobody has run handlers since.
void RelievedLoop::Look() {
  std::erase_if(reliefs_, [](Relief& relief) {
    if (!relief.ended) return false;
    relief.thread.join();
    return true;
  });
  const bool is_free = running_.try_lock();
  if (is_free) running_.unlock();
  const std::uint64_t asides = asides_;
  const bool held_up = is_free && seen_free_ && asides == seen_asides_ && asides > 0 && !io_.stopped();
  seen_free_ = is_free;
  seen_asides_ = asides;
  if (!held_up || reliefs_.size() >= kMostReliefs) return;
  Relief& relief = reliefs_.emplace_back();
  try {
    relief.thread = std::thread([this, &relief] { RunAsRelief(relief); });
  } catch (const std::system_error&) {  // The system has no more threads, so others wait.
    reliefs_.pop_back();
  }
}

void RelievedLoop::RunAsRelief(Relief& relief) {
  running_.lock();
  while (!io_.stopped() && returning_ == 0) RunOne([this] { io_.run_one_for(kLookInterval); });
  running_.unlock();
  relief.ended = true;
}

}  // namespace tensorferry::http
