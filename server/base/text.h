// The grammar of what people type, the same for the server's settings and the command: sizes, times, addresses, lines.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tensorferry {

// All of `text` as a decimal number without sign, which fits 64 bits; else nothing.
std::optional<std::uint64_t> ParseNumber(std::string_view text);

// Bytes: a number and B, KiB, MiB or GiB (`64MiB`); a bare number is bytes.
std::optional<std::uint64_t> ParseSize(std::string_view text);

// A number and ms, s, m or h: `0s`, `500ms`, `1h`. Nothing for other text, or beyond 2^63 milliseconds.
std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text);

// The text in the largest unit that leaves no rest, which ParseSize and ParseDuration read back: `8GiB`, `1500ms`.
std::string FormatSize(std::uint64_t nbytes);
std::string FormatDuration(std::chrono::milliseconds duration);

// What a value should have been, in words for Unexpected: "a size from 64KiB to 8GiB, in B, KiB, MiB or GiB".
std::string ExpectedSize(std::uint64_t min, std::uint64_t max);
std::string ExpectedDuration(std::chrono::milliseconds min, std::chrono::milliseconds max);

// The size or time that a text means which the grammar does not take: `10GiB` for "10GB" or "10 g", `30s` for "30".
// Empty if the grammar takes it, or if nobody can tell.
std::string MeantSize(std::string_view text);
std::string MeantDuration(std::string_view text);

// "expected a size ..., got '10GB'; write 10GiB": `meant` is from MeantSize or MeantDuration.
std::string Unexpected(std::string_view expected, std::string_view actual, std::string_view meant = "");

// Where a server listens, or a client finds it. Borrows the text.
struct Address {
  bool is_unix = false;
  std::string_view host;   // A Unix socket's path; an IPv6 address is in brackets.
  std::uint16_t port = 0;  // 0: any that is free, for a listener alone.
};

inline constexpr std::size_t kMaxUnixPathBytes = 107;  // What a sockaddr_un holds, less the final zero.

// HOST:PORT, [IPV6]:PORT or unix:PATH.
std::optional<Address> ParseAddress(std::string_view text);

// `text` without control characters, which could break a log or steer a terminal: a line feed becomes \n, others \x1b
// and the like. All other bytes stay.
std::string OneLine(std::string_view text);

// A size for people, in the largest unit that it reaches: "64 B", "3.0 GiB".
std::string SizeText(std::uint64_t nbytes);

}  // namespace tensorferry
