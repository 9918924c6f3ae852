// The grammar of the texts that people type, for the server's settings and for the command: sizes, times, addresses,
// lines.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tensorferry {

// Reads all of `text` as a decimal number without sign. Returns nothing for other text, or if it does not fit 64 bits.
std::optional<std::uint64_t> ParseNumber(std::string_view text);

// Reads bytes: a number and B, KiB, MiB or GiB (`64MiB`); a bare number is bytes.
std::optional<std::uint64_t> ParseSize(std::string_view text);

// Reads a number and ms, s, m or h: `0s`, `500ms`, `1h`. Returns nothing for other text, or beyond 2^63 milliseconds.
std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text);

// These functions return the value in the largest unit that leaves no rest: `8GiB`, `1500ms`. ParseSize and
// ParseDuration read it back.
std::string FormatSize(std::uint64_t nbytes);
std::string FormatDuration(std::chrono::milliseconds duration);

// They say in words what a value should have been, for Unexpected: "a size from 64KiB to 8GiB, in B, KiB, MiB or GiB".
std::string ExpectedSize(std::uint64_t min, std::uint64_t max);
std::string ExpectedDuration(std::chrono::milliseconds min, std::chrono::milliseconds max);

// They guess the value that is meant by a text that the grammar does not take: `10GiB` for "10GB" or "10 g", `30s` for
// "30". They return an empty text if the grammar takes it, or if it cannot be guessed.
std::string MeantSize(std::string_view text);
std::string MeantDuration(std::string_view text);

// Returns "expected a size ..., got '10GB'; write 10GiB". `meant` comes from MeantSize or MeantDuration.
std::string Unexpected(std::string_view expected, std::string_view actual, std::string_view meant = "");

// Address says where a server listens, or where a client finds it. Borrows the text.
struct Address {
  bool is_unix = false;
  std::string_view host;   // For a Unix socket the path; an IPv6 address is in brackets.
  std::uint16_t port = 0;  // 0: any free port, for a listener only.
};

inline constexpr std::size_t kMaxUnixPathBytes = 107;  // The bytes that a sockaddr_un holds, without the final zero.

// Reads HOST:PORT, [IPV6]:PORT or unix:PATH.
std::optional<Address> ParseAddress(std::string_view text);

// Returns `text` with each character beyond ASCII that breaks a line, steers a terminal or changes the direction of
// what follows written as \u2028 and the like, as JSON has it: the controls of C1, the separators of lines and
// paragraphs, and Unicode's bidirectional controls. All other bytes stay.
std::string WithoutSteering(std::string_view text);

// Returns `text` with each control character escaped, since it could break a log or steer a terminal: a line feed
// becomes \n, others become \x1b and the like, and those of WithoutSteering as it has them. All other bytes stay.
std::string OneLine(std::string_view text);

// Returns a size for people, in the largest unit that it reaches: "64 B", "3.0 GiB".
std::string SizeText(std::uint64_t nbytes);

}  // namespace tensorferry
