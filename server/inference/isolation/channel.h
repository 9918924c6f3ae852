#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tensorferry::inference {

// Channel is one end of a socket to another process. It carries whole messages, of at most kMaxMessageBytes bytes.
// Threads: Shutdown on any thread; the other methods one at a time.
class Channel {
 public:
  static constexpr std::size_t kMaxMessageBytes = std::size_t{256} << 20;

  // Takes the descriptor of the socket over.
  explicit Channel(int socket) : socket_(socket) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel();

  // Returns false if the other end is gone, or the message is too large.
  [[nodiscard]] bool Send(std::string_view message);

  enum class Received : std::uint8_t {
    kMessage,
    kNothing,  // The other end is gone, or does not keep to the form of messages.
    kUnread,   // The other end is gone, and had not read all of what was sent to it.
  };

  // Waits for a message.
  [[nodiscard]] Received Receive(std::string& message);

  // Waits until a message, or the end of the other side, can be received. Returns false if nothing has come for
  // `milliseconds`.
  [[nodiscard]] bool Await(int milliseconds) const;

  // Makes both ends fail from now on, a call that waits included.
  void Shutdown();

 private:
  Received ReceiveExactly(char* data, std::size_t nbytes);

  const int socket_;
};

}  // namespace tensorferry::inference
