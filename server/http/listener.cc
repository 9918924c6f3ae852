#include "http/listener.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <cctype>
#include <chrono>
#include <exception>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"

namespace tensorferry::http {
namespace {

using boost::asio::ip::tcp;
using SystemError = boost::system::error_code;

// Where the process has no descriptor left, connections wait until it has.
constexpr std::chrono::milliseconds kPause{100};

absl::Status CannotListen(std::string_view address, const SystemError& error) {
  std::string reason = error.message();
  if (!reason.empty()) reason.front() = static_cast<char>(std::tolower(static_cast<unsigned char>(reason.front())));
  return absl::UnavailableError(fmt::format("cannot listen on {}: {}", address, reason));
}

// Returns whether the error says that this machine does not have the address, as ::1 where there is no IPv6.
bool IsOfAnotherMachine(const SystemError& error) {
  return error == boost::system::errc::address_not_available ||
         error == boost::asio::error::address_family_not_supported;
}

// Returns the addresses that this one stands for: that for all of this machine, as 0.0.0.0, stands for those
// of both families, as it does for gRPC.
std::vector<boost::asio::ip::address> AddressesOf(const boost::asio::ip::address& address) {
  if (!address.is_unspecified()) return {address};
  return {boost::asio::ip::address_v4::any(), boost::asio::ip::address_v6::any()};
}

}  // namespace

SystemError Listener::Open(const tcp::endpoint& endpoint) {
  Gate& gate = gates_.emplace_back(io_);
  SystemError error;
  gate.acceptor.open(endpoint.protocol(), error);
  if (!error) gate.acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  // Callers of IPv4 have a gate of their own, where their addresses are not written as those of IPv6.
  if (!error && endpoint.protocol() == tcp::v6()) {
    gate.acceptor.set_option(boost::asio::ip::v6_only(true), error);
  }
  if (!error) gate.acceptor.bind(endpoint, error);
  if (!error) gate.acceptor.listen(tcp::acceptor::max_listen_connections, error);
  if (error) gates_.pop_back();
  return error;
}

absl::StatusOr<std::string> Listener::Listen(const std::string& address) {
  const auto parsed = ParseAddress(address);
  if (!parsed || parsed->is_unix) return absl::UnavailableError(fmt::format("cannot listen on {}", address));
  const std::string host(parsed->host);
  const std::string bare = host.starts_with('[') ? host.substr(1, host.size() - 2) : host;
  SystemError error;
  const auto found = tcp::resolver(io_).resolve(bare, std::to_string(parsed->port), tcp::resolver::passive, error);
  if (error) return CannotListen(address, error);
  std::uint16_t port = parsed->port;
  for (const auto& entry : found) {
    for (const auto& each : AddressesOf(entry.endpoint().address())) {
      error = Open({each, port});
      if (error && !IsOfAnotherMachine(error)) return CannotListen(address, error);
      if (!gates_.empty()) port = gates_.front().acceptor.local_endpoint().port();
    }
  }
  if (gates_.empty()) return CannotListen(address, error);
  for (Gate& gate : gates_) Accept(gate);
  return fmt::format("{}:{}", host, port);
}

void Listener::Accept(Gate& gate) {
  gate.acceptor.async_accept([this, &gate](const SystemError& error, tcp::socket socket) {
    if (error == boost::asio::error::operation_aborted) return;
    if (!error) {
      Take(std::move(socket));
      return Accept(gate);
    }
    gate.pause.expires_after(kPause);
    gate.pause.async_wait([this, &gate](const SystemError& ended) {
      if (!ended) Accept(gate);
    });
  });
}

void Listener::Take(tcp::socket socket) {
  try {
    ServeConnection(std::move(socket), context_, tls_ == nullptr ? nullptr : tls_->Current());
  } catch (const std::exception& error) {
    spdlog::debug("http: a connection could not be served: {}", error.what());
  }
}

}  // namespace tensorferry::http
