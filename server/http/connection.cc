#include "http/connection.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/buffers_suffix.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "http/error_response.h"
#include "http/incoming_request.h"
#include "http/late_timer.h"
#include "http/outgoing_answer.h"
#include "http/peer_certificate.h"
#include "http/read_problem.h"
#include "http/response_head.h"
#include "http/tls_context.h"
#include "http/write_at_once.h"

namespace tensorferry::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;

using Error = beast::error_code;
using Tcp = asio::ip::tcp;
using Tls = asio::ssl::stream<Tcp::socket>;

constexpr std::string_view kGoOn = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::size_t kReadBytes = 4096;                   // The most that is read where the size is not known.
constexpr std::size_t kWriteBytes = std::size_t{1} << 20;  // The most that is written at once.
constexpr std::uint64_t kMaxDroppedBytes = std::uint64_t{16} << 20;  // Then a peer that sends on loses the answer.

// Connection is one connection of a peer. It lives as long as one of its operations is under way: each ends in the end,
// as `timer_` bounds what the server waits for.
template <typename Stream>
class Connection final : public ConnectionSet::Member, public std::enable_shared_from_this<Connection<Stream>> {
 public:
  template <typename... Arguments>
  explicit Connection(const ConnectionContext& context, Arguments&&... arguments)
      : context_(context),
        stream_(std::forward<Arguments>(arguments)...),
        timer_(stream_.get_executor(), [this] { OnLate(); }),
        place_(context.connections.Add(*this)),
        closed_(!place_) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() override { Close(); }

  void Start() {
    if (closed_) return;  // All connections are at work.
    peer_address_ = PeerOf(Socket());
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
    SetAnswerDue(false);
    context_.connections.Remove(*place_);
    timer_.Stop();
    answer_.DropStream();
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
    context_.connections.Renew(*place_);
    timer_.Expect(limit, Self());
  }

  void OnLate() {
    if (phase_ == Phase::kOther) return Close();
    late_ = true;
    Wait(Phase::kOther, context_.limits.farewell);  // The read may end at this moment, and another begin.
    Error ignored;
    Socket().cancel(ignored);
  }

  void SetAnswerDue(bool is_due) {
    if (is_due == answer_due_) return;
    answer_due_ = is_due;
    is_due ? context_.connections.BeginAnswer() : context_.connections.EndAnswer();
  }

  // Waits for a request's first byte, but where it has come together with the last request.
  void AwaitRequest(std::chrono::milliseconds limit) {
    SetAnswerDue(false);
    is_head_ = false;
    parser_.emplace();
    parser_->header_limit(context_.limits.head_bytes);
    parser_->body_limit(context_.limits.body_bytes);
    if (buffer_.size() > 0) return ReadHead();
    if (peer_gone_) return Close();
    Wait(Phase::kOther, limit);
    awaits_request_ = true;
    ReadAhead();
  }

  // Reads the first bytes of the next request, or the end of what the peer sends. While a request is answered, this tells
  // that the peer has gone.
  void ReadAhead() {
    if (reads_ahead_) return;
    reads_ahead_ = true;
    stream_.async_read_some(buffer_.prepare(kReadBytes), [self = Self()](const Error& error, std::size_t nbytes) {
      self->reads_ahead_ = false;
      if (error) return self->OnPeerGone();
      self->buffer_.commit(nbytes);
      if (self->awaits_request_) self->ReadHead();
    });
  }

  void OnPeerGone() {
    peer_gone_ = true;
    if (awaits_request_ || answer_.stream() != nullptr) return Close();
    if (cancellation_ != nullptr) cancellation_->Tell();
  }

  // Reads a head. One that has come whole, as most have, is not waited for: that costs calls of the system.
  void ReadHead() {
    awaits_request_ = false;
    Wait(Phase::kRequest, context_.limits.request);
    const auto go_on = [self = Self()](const Error& error, std::size_t) {
      if (!self->Failed(error)) self->OnHead();
    };
    Error error;
    buffer_.consume(parser_->put(buffer_.data(), error));
    if (error != beast::http::error::need_more) return go_on(error, 0);
    beast::http::async_read_header(stream_, buffer_, *parser_, go_on);
  }

  // Answers what could not be read. Returns whether there was an error.
  bool Failed(const Error& error) {
    if (late_) {
      Send(ErrorResponse(TooLate(context_.limits)), /*keep_alive=*/false);
    } else if (error) {
      const auto problem = ProblemOf(error, context_.limits);
      problem ? Send(ErrorResponse(*problem), /*keep_alive=*/false) : Close();
    }
    return late_ || error;
  }

  void OnHead() {
    const IncomingMessage& message = parser_->get();
    if (const auto problem = CheckHead(message)) return Send(ErrorResponse(*problem), /*keep_alive=*/false);
    framing_ = {.version = message.version(), .keep_alive = message.keep_alive()};
    is_head_ = message.method() == beast::http::verb::head;
    request_ = RequestOf(message);
    request_.peer = peer_address_;
    if constexpr (kIsTls) {
      request_.has_certificate = HasCertificate(stream_.native_handle());
      if (request_.has_certificate) request_.certificate = CertificateName(stream_.native_handle());
    }
    if (auto refusal = context_.router.Refuse(request_)) {
      return Send(*std::move(refusal), framing_.keep_alive && parser_->is_done());
    }
    if (parser_->is_done()) return Answer();
    if (context_.limits.body_bytes == 0 || context_.pool == nullptr) return ReadChunks();
    if (!parser_->chunked()) return TakeRoom();
    Continue();
  }

  void TakeRoom() {
    body_bytes_ = static_cast<std::size_t>(parser_->content_length_remaining().value_or(0));
    auto taken = context_.pool->TakeInSteps(body_bytes_, &peer_);
    if (!taken.ok()) return Send(NoMemory(taken.status()), /*keep_alive=*/false);
    body_ = std::make_shared<AlignedBuffer>(*std::move(taken));
    filled_ = 0;
    Continue();
  }

  // Lets a peer that asks whether it may send a body do so.
  void Continue() {
    const auto go_on = [this] { body_ == nullptr ? ReadChunks() : ReadBody(); };
    const auto wish = buffer_.size() > 0 ? std::nullopt : ExpectationOf(request_, framing_.version);
    if (!wish) return go_on();
    if (auto refusal = RefuseExpectation(*wish)) return Send(*std::move(refusal), /*keep_alive=*/false);
    asio::async_write(stream_, asio::buffer(kGoOn),
                      [self = Self(), go_on](const Error& error, std::size_t) { error ? self->Close() : go_on(); });
  }

  // Reads a body of known length straight to where it stays.
  void ReadBody() {
    Wait(Phase::kRequest, context_.limits.upload);
    const std::size_t step = std::min(body_bytes_ - filled_, BufferPool::kStep);
    if (const absl::Status room = body_->Admit(filled_ + step, &peer_); !room.ok()) {
      return Send(NoMemory(room), /*keep_alive=*/false);
    }
    const asio::mutable_buffer rest(body_->data() + filled_, step);
    if (buffer_.size() > 0) {
      const std::size_t copied = asio::buffer_copy(rest, buffer_.data());
      buffer_.consume(copied);
      return OnBody(copied);
    }
    stream_.async_read_some(rest, [self = Self()](const Error& error, std::size_t nbytes) {
      if (!self->Failed(error)) self->OnBody(nbytes);
    });
  }

  void OnBody(std::size_t nbytes) {
    filled_ += nbytes;
    if (filled_ < body_bytes_) return ReadBody();
    request_.body = {reinterpret_cast<const char*>(body_->data()), body_bytes_};
    request_.body_owner = std::move(body_);
    body_ = nullptr;
    Answer();
  }

  // Reads a body whose length nobody has said.
  void ReadChunks() {
    Wait(Phase::kRequest, context_.limits.upload);
    beast::http::async_read_some(stream_, buffer_, *parser_, [self = Self()](const Error& error, std::size_t) {
      if (!self->Failed(error)) self->OnChunk();
    });
  }

  void OnChunk() {
    if (context_.pool != nullptr) {
      const absl::Status room = context_.pool->GrowTo(parser_->get().body().capacity(), chunks_, &peer_);
      if (!room.ok()) return Send(NoMemory(room), /*keep_alive=*/false);
    }
    if (!parser_->is_done()) return ReadChunks();
    auto body = std::make_shared<CountedBody>(CountedBody{std::move(parser_->get().body()), std::move(chunks_)});
    request_.body = body->text;
    request_.body_owner = std::move(body);
    Answer();
  }

  void Answer() {
    context_.connections.Serve(*place_);
    timer_.Forget();
    SetAnswerDue(true);
    const std::uint64_t number = awaited_ = ++answers_;
    cancellation_ = request_.cancellation = std::make_shared<Cancellation>();
    context_.loop.Aside([this, number, request = std::move(request_)]() mutable {
      context_.router.Serve(
          std::move(request), [owner = context_.owner.lock(), self = Self(), number](Response response) {
            asio::post(self->stream_.get_executor(), [self, number, response = std::move(response)]() mutable {
              if (self->closed_ || self->awaited_ != number) return;
              self->awaited_ = 0;
              self->cancellation_ = nullptr;
              self->Send(std::move(response), self->framing_.keep_alive);
            });
          });
    });
    if (awaited_ == number && buffer_.size() == 0) ReadAhead();
  }

  void Send(Response response, bool keep_alive) {
    if (context_.refusals != nullptr) context_.refusals->Count(response.status);
    Wait(Phase::kOther, context_.limits.answer);
    if (!closed_) SetAnswerDue(true);
    const bool ends_with_connection = response.stream != nullptr && framing_.version < kHttp11;
    framing_.keep_alive = keep_alive && !ends_with_connection && !peer_gone_ && !context_.connections.draining();
    if (response.problem != nullptr && context_.error_body) response.body = context_.error_body(*response.problem);
    // A peer that takes its time has no memory of what it has sent.
    request_ = {};
    parser_.reset();
    body_ = nullptr;
    chunks_ = {};
    Write(answer_.Begin(std::move(response), framing_, is_head_));
  }

  void Write(const OutgoingAnswer::Buffers& buffers) {
    // Not where the next request has come already: one answer within another would take the stack.
    const std::size_t written = answer_.stream() == nullptr && buffer_.size() == 0 ? WriteAtOnce(stream_, buffers) : 0;
    if (written > 0 && written == asio::buffer_size(buffers)) return OnSent();
    beast::buffers_suffix<OutgoingAnswer::Buffers> rest(buffers);
    rest.consume(written);
    const auto go_on = [this](const Error& error, std::size_t sent) -> std::size_t {
      if (sent > 0 && !closed_) timer_.Expect(context_.limits.answer, Self());
      return error ? 0 : kWriteBytes;
    };
    asio::async_write(stream_, rest, go_on, [self = Self()](const Error& error, std::size_t) {
      if (error) return self->Close();
      self->answer_.stream() != nullptr ? self->PullPiece() : self->OnSent();
    });
  }

  // Waits for the next piece of an answer's stream, as long as it takes.
  void PullPiece() {
    context_.connections.Serve(*place_);
    timer_.Forget();
    if (buffer_.size() == 0) ReadAhead();
    answer_.stream()->Pull([owner = context_.owner.lock(), self = Self()](std::optional<BodyStream::Piece> piece) {
      asio::post(self->stream_.get_executor(), [self, piece = std::move(piece)]() mutable {
        if (self->closed_) return;
        self->Wait(Phase::kOther, self->context_.limits.answer);
        self->Write(self->answer_.Continue(std::move(piece)));
      });
    });
  }

  void OnSent() {
    answer_ = {};
    if (framing_.keep_alive) return AwaitRequest(context_.limits.idle);
    Wait(Phase::kOther, context_.limits.farewell);
    Error ignored;
    if (reads_ahead_) Socket().cancel(ignored);  // DropWhatComes reads from now on.
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
  LateTimer timer_;
  std::optional<ConnectionSet::Place> place_;  // Nothing: there was no place left.
  bool closed_;
  Phase phase_ = Phase::kOther;
  bool late_ = false;
  beast::flat_buffer buffer_{context_.limits.head_bytes + kReadBytes};
  std::optional<beast::http::request_parser<beast::http::string_body>> parser_;
  std::string peer_address_;
  Request request_;
  const RequestPeer peer_{request_};
  std::shared_ptr<AlignedBuffer> body_;  // Null: no body of known length is being read.
  std::size_t body_bytes_ = 0;
  std::size_t filled_ = 0;                      // How many bytes of body_ have come.
  MemoryBudget::Reservation chunks_;            // For the body that comes in chunks.
  std::uint64_t answers_ = 0;                   // The number of answers that were asked of the router.
  std::uint64_t awaited_ = 0;                   // The number of the answer that is still to come; 0: none.
  std::shared_ptr<Cancellation> cancellation_;  // That of the request whose answer is awaited. Null: there is none.
  bool answer_due_ = false;                     // Whether an answer is to be made, or is on its way.
  bool awaits_request_ = false;
  bool reads_ahead_ = false;  // Whether ReadAhead's read is under way.
  bool peer_gone_ = false;    // Whether the peer sends nothing any more.
  Framing framing_;
  bool is_head_ = false;
  OutgoingAnswer answer_;
  std::uint64_t dropped_ = 0;
};

}  // namespace

void ServeConnection(Tcp::socket socket, const ConnectionContext& context,
                     const std::shared_ptr<asio::ssl::context>& tls) {
  Error ignored;
  socket.set_option(Tcp::no_delay(true), ignored);
  socket.non_blocking(true, ignored);
  if (tls != nullptr) return std::make_shared<Connection<Tls>>(context, std::move(socket), *tls)->Start();
  std::make_shared<Connection<Tcp::socket>>(context, std::move(socket))->Start();
}

}  // namespace tensorferry::http
