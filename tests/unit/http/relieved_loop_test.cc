#include "http/relieved_loop.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace tensorferry::http {
namespace {

class RelievedLoopTest : public testing::Test {
 protected:
  ~RelievedLoopTest() override {
    io_.stop();
    thread_.join();
  }

  // Has the loop run a handler, which fails the test if another one runs at that time. It may call `aside_`.
  void Post(std::function<void()> handler) {
    boost::asio::post(io_, [this, handler = std::move(handler)] {
      EXPECT_FALSE(in_handler_.exchange(true)) << "handlers run one after the other";
      handler();
      in_handler_ = false;
    });
  }
  void Aside(const std::function<void()>& work) {
    in_handler_ = false;
    loop_.Aside(work);
    EXPECT_FALSE(in_handler_.exchange(true)) << "others have ended before a handler goes on";
  }

  boost::asio::io_context io_;
  const boost::asio::executor_work_guard<boost::asio::io_context::executor_type> never_idle_{io_.get_executor()};
  RelievedLoop loop_{io_};
  std::atomic<bool> in_handler_ = false;
  std::thread thread_{[this] { loop_.Run(); }};
};

TEST_F(RelievedLoopTest, RunsOtherHandlersWhileOneIsHeldUp) {
  std::promise<void> ran;
  std::promise<void> went_on;
  Post([&] {
    Aside([&] {
      Post([&] { ran.set_value(); });
      ran.get_future().wait();
    });
    went_on.set_value();
  });
  went_on.get_future().wait();
}

TEST_F(RelievedLoopTest, RunsOthersWhileSeveralAreHeldUp) {
  constexpr int kHeldUp = 3;
  std::promise<void> ran;
  const std::shared_future<void> after = ran.get_future().share();
  std::atomic<int> held_up = 0;
  std::atomic<int> went_on = 0;
  std::promise<void> all;
  for (int i = 0; i < kHeldUp; ++i) {
    Post([&] {
      Aside([&] {
        if (++held_up == kHeldUp) Post([&] { ran.set_value(); });
        after.wait();
      });
      if (++went_on == kHeldUp) all.set_value();
    });
  }
  all.get_future().wait();
  // The first thread runs handlers again: relief threads have ended, or do at their next event.
  for (int i = 0; i < 100; ++i) {
    std::promise<void> next;
    Post([&] { next.set_value(); });
    next.get_future().wait();
  }
}

TEST_F(RelievedLoopTest, RunsManyHandlersThatGoAsideForAMoment) {
  constexpr int kHandlers = 2000;
  std::atomic<int> done = 0;
  std::promise<void> all;
  for (int i = 0; i < kHandlers; ++i) {
    Post([&] {
      Aside([] {});
      if (++done == kHandlers) all.set_value();
    });
  }
  all.get_future().wait();
}

TEST_F(RelievedLoopTest, GoesOnAfterAHandlerThatThrows) {
  std::promise<void> next;
  boost::asio::post(io_, [&] { loop_.Aside([] { throw std::runtime_error("no memory"); }); });
  boost::asio::post(io_, [] { throw std::runtime_error("no memory"); });
  Post([&] { next.set_value(); });
  next.get_future().wait();
}

TEST_F(RelievedLoopTest, SaysThatItsThreadIsRelievedWhileItIs) {
  std::promise<std::vector<bool>> seen;
  Post([&] {
    std::vector<bool> here{Relieved::Here()};
    Aside([&] { here.push_back(Relieved::Here()); });
    here.push_back(Relieved::Here());
    seen.set_value(here);
  });
  EXPECT_EQ(seen.get_future().get(), (std::vector<bool>{false, true, false}));
}

TEST_F(RelievedLoopTest, EndsThoughAReliefThreadRunsTheHandlers) {
  std::promise<void> stopped;
  std::promise<void> went_on;
  Post([&] {
    Aside([&] {
      Post([&] {
        io_.stop();
        stopped.set_value();
      });
      stopped.get_future().wait();
    });
    went_on.set_value();
  });
  went_on.get_future().wait();
}

}  // namespace
}  // namespace tensorferry::http
