#pragma once

#include <cstddef>
#include <string>

namespace tensorferry::cli {

// LiveScreen shows one text after the other on the terminal that standard output is, each in the place of the one
// before, and leaves the terminal as it was: at its end, and when SIGINT or SIGTERM ends the program, with exit code 0.
// If standard output is no terminal, the texts follow each other. There is one at a time.
class LiveScreen {
 public:
  LiveScreen();
  LiveScreen(const LiveScreen&) = delete;
  LiveScreen& operator=(const LiveScreen&) = delete;
  ~LiveScreen();

  bool live() const { return live_; }

  // Returns how many lines the terminal has, and if there is none, more than any text.
  std::size_t Lines() const;

  void Show(const std::string& text) const;

 private:
  const bool live_;
};

}  // namespace tensorferry::cli
