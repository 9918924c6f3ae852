#include "cli/scrape.h"

#include <fmt/format.h>

#include <chrono>
#include <exception>
#include <string>
#include <thread>

#include "base/status.h"
#include "fetch/http_request.h"

namespace tensorferry::cli {
namespace {

constexpr std::uint64_t kMostBytes = 64 << 20;    // A server of 200 models has 1.2 MB of metrics.
constexpr std::chrono::milliseconds kPause{100};  // Between two questions while nobody answers.

absl::Status Refusal(unsigned int status) {
  const std::string text = fmt::format("it answers with HTTP's status {}", status);
  switch (status) {
    case 401: return absl::UnauthenticatedError(text + ": a token with the role metrics is missing");
    case 403:
      return absl::PermissionDeniedError(text + ": the token has not the role metrics, or a certificate is missing");
    default: return absl::FailedPreconditionError(text);
  }
}

fetch::HttpRequest RequestOf(const client::ConnectOptions& options) {
  fetch::HttpRequest request;
  request.most_answer_bytes = kMostBytes;
  if (!options.token.empty()) request.headers.emplace_back("authorization", "Bearer " + options.token);
  if (options.tls) {
    request.ca = options.tls->ca;
    request.certificate = options.tls->certificate;
    request.key = options.tls->key;
  }
  return request;
}

absl::StatusOr<fetch::HttpAnswer> AskForMetrics(const Arguments& arguments, const client::ConnectOptions& options,
                                                std::chrono::milliseconds timeout) {
  try {
    return fetch::Send(*arguments.metrics, RequestOf(options), timeout);
  } catch (const std::exception& error) {  // Boost's.
    return absl::InternalError(error.what());
  }
}

// With --wait asks again while nobody answers, as calls of gRPC wait: a server begins to serve one port after the other.
absl::StatusOr<fetch::HttpAnswer> AskUntilAnswered(const Arguments& arguments, const client::ConnectOptions& options,
                                                   std::chrono::milliseconds timeout) {
  const auto end = std::chrono::steady_clock::now() + timeout;
  absl::StatusOr<fetch::HttpAnswer> answer = AskForMetrics(arguments, options, timeout);
  while (arguments.wait && absl::IsUnavailable(answer.status())) {
    const auto left = std::chrono::floor<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (left <= kPause) break;
    std::this_thread::sleep_for(kPause);
    answer = AskForMetrics(arguments, options, left - kPause);
  }
  return answer;
}

absl::StatusOr<Figures> FiguresOf(const absl::StatusOr<fetch::HttpAnswer>& answer) {
  if (!answer.ok()) return answer.status();
  if (answer->status != 200) return Refusal(answer->status);
  return FiguresIn(answer->body);
}

}  // namespace

absl::StatusOr<Figures> Scrape(const Arguments& arguments, const client::ConnectOptions& options,
                               std::chrono::milliseconds timeout) {
  const absl::StatusOr<Figures> figures = FiguresOf(AskUntilAnswered(arguments, options, timeout));
  if (figures.ok()) return figures;
  const std::string text(figures.status().message());
  return absl::Status(figures.status().code(),
                      fmt::format("--metrics {}: {}", fetch::NameOf(*arguments.metrics), text));
}

}  // namespace tensorferry::cli
