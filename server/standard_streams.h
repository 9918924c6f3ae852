#pragma once

#include <array>
#include <cstdio>
#include <iosfwd>
#include <memory>
#include <streambuf>

namespace tensorferry {

// Opens /dev/null in the place of each standard descriptor that is closed: a file or a connection that is opened later
// would have its number, and get what is written to it. Called before anything else is opened.
void OpenClosedDescriptors();

// StandardStreams leaves standard output to the server's own line, and standard error to the log: what libraries write
// to std::cout, std::cerr, std::clog and stdout becomes lines of the log, at debug; what they write to stderr, warnings
// at first, as it mostly says why the process ends. Nobody waits for a reader: what is written to the descriptor itself,
// as the C library does when it finds memory damaged, is lost if standard error is a full pipe.
// Threads: any may write. Lines of several threads do not mix.
// Lifetime: constructed after the log, before the first thread is started; destroyed when no other thread writes.
class StandardStreams {
 public:
  StandardStreams();
  StandardStreams(const StandardStreams&) = delete;
  StandardStreams& operator=(const StandardStreams&) = delete;
  ~StandardStreams();

  // Returns standard output itself.
  std::FILE* output() const { return output_; }

 private:
  struct Replaced {
    std::ostream& stream;
    std::streambuf* former;
  };

  std::FILE* const output_;
  std::FILE* const error_;
  std::array<std::unique_ptr<std::streambuf>, 2> buffers_;
  std::array<Replaced, 3> replaced_;
};

}  // namespace tensorferry
