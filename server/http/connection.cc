#include "http/connection.h"

#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "http/error_response.h"
#include "http/read_problem.h"
#include "http/tls_context.h"

namespace tensorferry::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;

using Clock = std::chrono::steady_clock;
using Error = beast::error_code;
using Tcp = asio::ip::tcp;
using Tls = asio::ssl::stream<Tcp::socket>;
using OutgoingMessage = beast::http::response<beast::http::string_body>;

constexpr std::size_t kReadBytes = 4096;  // The most that is read where the size is not known.
constexpr std::uint64_t kMaxDroppedBytes = std::uint64_t{16} << 20;  // Then a peer that sends on loses the answer.

Request RequestOf(IncomingMessage&& message) {
  Request request{.method = std::string(message.method_string()), .path = PathOf(std::string(message.target()))};
  for (const auto& field : message) {
    request.fields.push_back({std::string(field.name_string()), std::string(field.value())});
  }
  request.body = std::move(message.body());
  return request;
}

OutgoingMessage MessageOf(Response response, bool keep_alive, unsigned version) {
  OutgoingMessage message(beast::http::int_to_status(response.status), version);
  message.set(beast::http::field::content_type, response.content_type);
  message.set(beast::http::field::cache_control, "no-store");
  message.set("X-Content-Type-Options", "nosniff");
  for (const Field& field : response.fields) message.set(field.name, field.value);
  message.keep_alive(keep_alive);
  message.body() = std::move(response.body);
  message.prepare_payload();
  return message;
}

// Connection is one connection of a peer. It lives as long as one of its operations is under way: each ends in the end,
// as `timer_` bounds what the server waits for.
template <typename Stream>
class Connection final : public ConnectionSet::Member, public std::enable_shared_from_this<Connection<Stream>> {
 public:
  template <typename... Arguments>
  explicit Connection(const ConnectionContext& context, Arguments&&... arguments)
      : context_(context),
        stream_(std::forward<Arguments>(arguments)...),
        timer_(stream_.get_executor()),
        place_(context.connections.Add(*this)) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() override { Close(); }

  void Start() {
    if constexpr (kIsTls) {
      Wait(Phase::kOther, context_.limits.request);
      stream_.async_handshake(Tls::server, [self = Self()](const Error& error) {
        if (!error) self->AwaitRequest(self->context_.limits.request);
      });
    } else {
      AwaitRequest(context_.limits.request);
    }
  }

  void Close() override {
    if (closed_) return;
    closed_ = true;
    context_.connections.Remove(place_);
    timer_.cancel();
    Error ignored;
    Socket().close(ignored);
  }

 private:
  static constexpr bool kIsTls = std::is_same_v<Stream, Tls>;

  enum class Phase : std::uint8_t {
    kRequest,  // A part of a request has come. What is late is answered.
    kOther,    // What is late ends the connection.
  };

  auto Self() { return this->shared_from_this(); }
  Tcp::socket& Socket() {
    if constexpr (kIsTls) {
      return stream_.next_layer();
    } else {
      return stream_;
    }
  }

  // Says what the server waits for from now on, and for how long.
  void Wait(Phase phase, std::chrono::milliseconds limit) {
    if (closed_) return;
    phase_ = phase;
    context_.connections.Renew(place_);
    timer_.expires_after(limit);
    timer_.async_wait([self = Self()](const Error& error) {
      // A wait that is over may have been put off when its handler was on its way already.
      if (!error && self->timer_.expiry() <= Clock::now()) self->OnLate();
    });
  }

  void OnLate() {
    if (phase_ == Phase::kOther) return Close();
    late_ = true;
    Wait(Phase::kOther, context_.limits.farewell);  // The read may end at this moment, and another begin.
    Error ignored;
    Socket().cancel(ignored);
  }

  // Waits for a request's first byte, but where it has come together with the last request.
  void AwaitRequest(std::chrono::milliseconds limit) {
    is_head_ = false;
    parser_.emplace();
    parser_->header_limit(context_.limits.head_bytes);
    parser_->body_limit(context_.limits.body_bytes);
    if (buffer_.size() > 0) return ReadRequest();
    Wait(Phase::kOther, limit);
    stream_.async_read_some(buffer_.prepare(kReadBytes), [self = Self()](const Error& error, std::size_t nbytes) {
      if (error) return self->Close();
      self->buffer_.commit(nbytes);
      self->ReadRequest();
    });
  }

  void ReadRequest() {
    Wait(Phase::kRequest, context_.limits.request);
    beast::http::async_read(stream_, buffer_, *parser_,
                            [self = Self()](const Error& error, std::size_t) { self->OnRead(error); });
  }

  void OnRead(const Error& error) {
    if (late_) return Send(ErrorResponse(TooLate(context_.limits)), /*keep_alive=*/false);
    if (error) {
      const auto problem = ProblemOf(error, context_.limits);
      return problem ? Send(ErrorResponse(*problem), /*keep_alive=*/false) : Close();
    }
    IncomingMessage message = parser_->release();
    if (const auto problem = CheckHead(message)) return Send(ErrorResponse(*problem), /*keep_alive=*/false);
    version_ = message.version();
    is_head_ = message.method() == beast::http::verb::head;
    const bool keep_alive = message.keep_alive();
    Request request = RequestOf(std::move(message));
    if constexpr (kIsTls) request.has_certificate = HasCertificate(stream_.native_handle());
    Send(context_.router.Answer(request), keep_alive);
  }

  void Send(Response response, bool keep_alive) {
    if (context_.refusals != nullptr) context_.refusals->Count(response.status);
    Wait(Phase::kOther, context_.limits.answer);
    answer_ = MessageOf(std::move(response), keep_alive, version_);
    serializer_.emplace(answer_);
    const auto sent = [self = Self()](const Error& error, std::size_t) { self->OnSent(error); };
    if (is_head_) {
      beast::http::async_write_header(stream_, *serializer_, sent);
    } else {
      beast::http::async_write(stream_, *serializer_, sent);
    }
  }

  void OnSent(const Error& error) {
    if (error) return Close();
    const bool keep_alive = answer_.keep_alive();
    serializer_.reset();
    answer_ = {};
    if (keep_alive) return AwaitRequest(context_.limits.idle);
    Wait(Phase::kOther, context_.limits.farewell);
    if constexpr (kIsTls) {
      stream_.async_shutdown([self = Self()](const Error&) { self->SayFarewell(); });
    } else {
      SayFarewell();
    }
  }

  void SayFarewell() {
    Error ignored;
    Socket().shutdown(Tcp::socket::shutdown_send, ignored);
    buffer_.clear();
    DropWhatComes();
  }

  void DropWhatComes() {
    Socket().async_read_some(buffer_.prepare(kReadBytes), [self = Self()](const Error& error, std::size_t nbytes) {
      self->dropped_ += nbytes;
      if (error || self->dropped_ > kMaxDroppedBytes) return self->Close();
      self->DropWhatComes();
    });
  }

  const ConnectionContext& context_;
  Stream stream_;
  asio::steady_timer timer_;
  const ConnectionSet::Place place_;
  bool closed_ = false;
  Phase phase_ = Phase::kOther;
  bool late_ = false;
  beast::flat_buffer buffer_{context_.limits.head_bytes + kReadBytes};
  std::optional<beast::http::request_parser<beast::http::string_body>> parser_;
  unsigned version_ = 11;
  bool is_head_ = false;
  OutgoingMessage answer_;
  std::optional<beast::http::response_serializer<beast::http::string_body>> serializer_;
  std::uint64_t dropped_ = 0;
};

}  // namespace

void ServeConnection(Tcp::socket socket, const ConnectionContext& context,
                     const std::shared_ptr<asio::ssl::context>& tls) {
  Error ignored;
  socket.set_option(Tcp::no_delay(true), ignored);
  if (tls != nullptr) {
    std::make_shared<Connection<Tls>>(context, std::move(socket), *tls)->Start();
  } else {
    std::make_shared<Connection<Tcp::socket>>(context, std::move(socket))->Start();
  }
}

}  // namespace tensorferry::http
