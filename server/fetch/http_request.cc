#include "fetch/http_request.h"

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <optional>
#include <string>
#include <utility>

#include "base/status.h"
#include "base/text.h"

namespace tensorferry::fetch {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace ssl = asio::ssl;

using Message = http::request<http::string_body>;

constexpr std::uint64_t kMostRetryAfter = 3600;  // Seconds.

absl::Status Unavailable(std::string_view what, const beast::error_code& error) {
  return absl::UnavailableError(fmt::format("{}: {}", what, error.message()));
}

// SetUp says whom the request trusts, and who asks.
absl::Status SetUp(const HttpRequest& request, ssl::context& context) {
  beast::error_code error;
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  context.set_verify_mode(ssl::verify_peer);
  if (!request.ca_file.empty()) {
    context.load_verify_file(request.ca_file, error);
  } else if (!request.ca.empty()) {
    context.add_certificate_authority(asio::buffer(request.ca), error);
  } else {
    context.set_default_verify_paths(error);
  }
  if (error) return Unavailable("cannot read the CAs", error);
  if (request.certificate.empty()) return absl::OkStatus();
  // OpenSSL would ask for the passphrase of an encrypted key on the terminal, and wait there.
  context.set_password_callback([](std::size_t, ssl::context::password_purpose) { return std::string(); });
  context.use_certificate_chain(asio::buffer(request.certificate), error);
  if (!error) context.use_private_key(asio::buffer(request.key), ssl::context::pem, error);
  return error ? Unavailable("cannot read the certificate and its key", error) : absl::OkStatus();
}

// Exchange is one request and its answer. Each step ends by the deadline.
class Exchange {
 public:
  explicit Exchange(std::chrono::milliseconds timeout) : deadline_(std::chrono::steady_clock::now() + timeout) {}

  beast::error_code Connect(const asio::ip::tcp::resolver::results_type& addresses) {
    return Await([&](auto done) { stream_.async_connect(addresses, std::move(done)); });
  }
  // Sends and receives through TLS from now on.
  absl::Status Secure(std::string host, ssl::context& context) {
    tls_.emplace(stream_, context);
    SSL* const native = tls_->native_handle();
    if (SSL_set1_host(native, host.c_str()) != 1) return absl::UnavailableError("TLS: the host cannot be checked");
    beast::error_code error;
    asio::ip::make_address(host, error);
    // Names alone are sent: RFC 6066 wants no addresses. SSL_set_tlsext_host_name is a macro with a cast of C's.
    if (error) SSL_ctrl(native, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, host.data());
    error = Await([&](auto done) { tls_->async_handshake(ssl::stream_base::client, std::move(done)); });
    if (!error) return absl::OkStatus();
    const long problem = SSL_get_verify_result(native);
    if (problem == X509_V_OK) return Unavailable("TLS", error);
    return absl::UnavailableError(fmt::format("TLS: its certificate: {}", X509_verify_cert_error_string(problem)));
  }
  beast::error_code Send(const Message& message) {
    return OnStream([&](auto& stream, auto done) { http::async_write(stream, message, std::move(done)); });
  }
  beast::error_code Receive(http::response_parser<http::string_body>& answer) {
    return OnStream([&](auto& stream, auto done) { http::async_read(stream, buffer_, answer, std::move(done)); });
  }
  // Finds the addresses of a host on this thread: Asio would start another for it.
  asio::ip::tcp::resolver::results_type Find(const HttpTarget& target, beast::error_code& error) {
    return asio::ip::tcp::resolver(context_).resolve(target.host, std::to_string(target.port), error);
  }

 private:
  template <typename Begin>
  beast::error_code OnStream(Begin&& begin) {
    return Await([&](auto done) { tls_ ? begin(*tls_, std::move(done)) : begin(stream_, std::move(done)); });
  }
  template <typename Begin>
  beast::error_code Await(Begin&& begin) {
    beast::error_code result;
    stream_.expires_at(deadline_);
    begin([&result](const beast::error_code& error, const auto&...) { result = error; });
    context_.restart();
    context_.run();
    return result;
  }

  const std::chrono::steady_clock::time_point deadline_;
  asio::io_context context_{1};
  beast::tcp_stream stream_{context_};
  std::optional<ssl::stream<beast::tcp_stream&>> tls_;
  beast::flat_buffer buffer_;
};

Message MessageOf(const HttpTarget& target, const HttpRequest& request) {
  Message message(request.body.empty() ? http::verb::get : http::verb::post, target.path, 11);
  const bool is_v6 = target.host.find(':') != std::string::npos;
  message.set(http::field::host, is_v6 ? fmt::format("[{}]:{}", target.host, target.port)
                                       : fmt::format("{}:{}", target.host, target.port));
  for (const auto& [name, value] : request.headers) message.set(name, value);
  if (!request.body.empty()) message.set(http::field::content_type, "application/json");
  message.keep_alive(false);
  message.body() = request.body;
  message.prepare_payload();
  return message;
}

HttpAnswer AnswerOf(http::response<http::string_body> message) {
  const auto text = message[http::field::retry_after];
  const auto seconds = ParseNumber({text.data(), text.size()});
  return {.status = message.result_int(),
          .retry_after = std::chrono::seconds(seconds ? std::min(*seconds, kMostRetryAfter) : 0),
          .body = std::move(message.body())};
}

}  // namespace

absl::StatusOr<HttpAnswer> Send(const HttpTarget& target, const HttpRequest& request,
                                std::chrono::milliseconds timeout) {
  Exchange exchange(timeout);
  beast::error_code error;
  const auto addresses = exchange.Find(target, error);
  if (error) return Unavailable("cannot find its address", error);
  if ((error = exchange.Connect(addresses))) return Unavailable("cannot connect", error);
  if (target.tls) {
    ssl::context context(ssl::context::tls_client);
    TENSORFERRY_RETURN_IF_ERROR(SetUp(request, context));
    TENSORFERRY_RETURN_IF_ERROR(exchange.Secure(target.host, context));
  }
  if ((error = exchange.Send(MessageOf(target, request)))) return Unavailable("cannot send", error);
  http::response_parser<http::string_body> answer;
  answer.body_limit(request.most_answer_bytes);
  error = exchange.Receive(answer);
  if (error == http::error::body_limit) {
    return absl::UnavailableError(fmt::format("the answer has more than {} bytes", request.most_answer_bytes));
  }
  if (error) return Unavailable("no answer", error);
  return AnswerOf(answer.release());
}

}  // namespace tensorferry::fetch
