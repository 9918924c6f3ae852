#include "tracing/http_post.h"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <limits>
#include <utility>

#include "base/text.h"

namespace tensorferry::tracing {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

constexpr std::uint64_t kMostAnswerBytes = 64 << 10;
constexpr std::uint64_t kMostRetryAfter = 3600;  // Seconds.

absl::Status Unavailable(std::string_view what, const beast::error_code& error) {
  return absl::UnavailableError(fmt::format("{}: {}", what, error.message()));
}

// Exchange is one request and its answer. Each step ends by the deadline.
class Exchange {
 public:
  explicit Exchange(std::chrono::milliseconds timeout) : deadline_(std::chrono::steady_clock::now() + timeout) {}

  beast::error_code Connect(const asio::ip::tcp::resolver::results_type& addresses) {
    return Await([&](auto done) { stream_.async_connect(addresses, std::move(done)); });
  }
  beast::error_code Send(const http::request<http::string_body>& message) {
    return Await([&](auto done) { http::async_write(stream_, message, std::move(done)); });
  }
  beast::error_code Receive(http::response_parser<http::string_body>& answer) {
    return Await([&](auto done) { http::async_read(stream_, buffer_, answer, std::move(done)); });
  }
  // Finds the addresses of a host on this thread: Asio would start another for it.
  asio::ip::tcp::resolver::results_type Find(const HttpTarget& target, beast::error_code& error) {
    return asio::ip::tcp::resolver(context_).resolve(target.host, std::to_string(target.port), error);
  }

 private:
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
  beast::flat_buffer buffer_;
};

http::request<http::string_body> MessageOf(const HttpTarget& target, const HttpRequest& request) {
  http::request<http::string_body> message(http::verb::post, target.path, 11);
  const bool is_v6 = target.host.find(':') != std::string::npos;
  message.set(http::field::host, is_v6 ? fmt::format("[{}]:{}", target.host, target.port)
                                       : fmt::format("{}:{}", target.host, target.port));
  for (const auto& [name, value] : request.headers) message.set(name, value);
  message.set(http::field::content_type, "application/json");
  message.keep_alive(false);
  message.body() = request.body;
  message.prepare_payload();
  return message;
}

HttpAnswer AnswerOf(const http::response<http::string_body>& message) {
  const auto text = message[http::field::retry_after];
  const auto seconds = ParseNumber({text.data(), text.size()});
  return {.status = message.result_int(),
          .retry_after = std::chrono::seconds(seconds ? std::min(*seconds, kMostRetryAfter) : 0)};
}

}  // namespace

std::optional<HttpTarget> ParseHttpTarget(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  constexpr std::uint16_t kDefaultPort = 80;
  if (!url.starts_with(kScheme)) return std::nullopt;
  url.remove_prefix(kScheme.size());
  const std::size_t slash = std::min(url.find('/'), url.size());
  std::string authority(url.substr(0, slash));
  const std::string_view path = url.substr(slash);
  if (path.find_first_of(" \t\r\n?#") != std::string_view::npos) return std::nullopt;
  const bool has_port = authority.find(':', authority.starts_with('[') ? authority.find(']') : 0) != std::string::npos;
  if (!has_port) authority += fmt::format(":{}", kDefaultPort);
  const std::optional<Address> address = ParseAddress(authority);
  if (!address || address->is_unix || address->port == 0) return std::nullopt;
  std::string_view host = address->host;
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  return HttpTarget{.host = std::string(host), .port = address->port, .path = path.empty() ? "/" : std::string(path)};
}

std::string NameOf(const HttpTarget& target) { return fmt::format("http://{}:{}", target.host, target.port); }

absl::StatusOr<HttpAnswer> Post(const HttpTarget& target, const HttpRequest& request,
                                std::chrono::milliseconds timeout) {
  Exchange exchange(timeout);
  beast::error_code error;
  const auto addresses = exchange.Find(target, error);
  if (error) return Unavailable("cannot find its address", error);
  if ((error = exchange.Connect(addresses))) return Unavailable("cannot connect", error);
  if ((error = exchange.Send(MessageOf(target, request)))) return Unavailable("cannot send", error);
  http::response_parser<http::string_body> answer;
  answer.body_limit(kMostAnswerBytes);
  if ((error = exchange.Receive(answer))) return Unavailable("no answer", error);
  return AnswerOf(answer.get());
}

}  // namespace tensorferry::tracing
