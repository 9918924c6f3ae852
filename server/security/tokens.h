#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace tensorferry::security {

// Role says what the caller with a token may do.
enum class Role : std::uint8_t { kInfer, kAdmin, kMetrics };

inline constexpr auto kRoles = std::to_array<std::string_view>({"infer", "admin", "metrics"});
static_assert(kRoles.size() == static_cast<std::size_t>(Role::kMetrics) + 1);

constexpr std::string_view NameOf(Role role) { return kRoles.at(static_cast<std::size_t>(role)); }

// Roles is a set of roles.
class Roles {
 public:
  constexpr Roles() = default;
  constexpr Roles(Role role) : bits_(std::uint8_t(1U << static_cast<unsigned>(role))) {}  // NOLINT: a set of one.

  constexpr bool empty() const { return bits_ == 0; }
  constexpr bool Has(Role role) const { return Overlaps(role); }
  constexpr bool Overlaps(Roles other) const { return (bits_ & other.bits_) != 0; }
  constexpr Roles operator|(Roles other) const { return FromBits(bits_ | other.bits_); }
  constexpr bool operator==(const Roles&) const = default;
  friend std::string_view NamesOf(Roles roles);

 private:
  static constexpr Roles FromBits(unsigned bits) {
    Roles roles;
    roles.bits_ = static_cast<std::uint8_t>(bits);
    return roles;
  }

  std::uint8_t bits_ = 0;
};

// Returns the names of the roles in static storage: "infer, metrics"; "none" for none.
std::string_view NamesOf(Roles roles);

// Returns the token of `Bearer TOKEN`, the value of an authorization header, or an empty text for other values. The
// scheme's letters may be of either case. Borrows `value`.
std::string_view BearerToken(std::string_view value);

// Tokens holds the tokens of a file, and their roles. In memory there are only their SHA-256 hashes.
class Tokens {
 public:
  // Parses lines of the form `ROLE TOKEN`. Empty lines, and lines that begin with `#`, say nothing. A token with several
  // lines has the roles of all of them.
  // Errors: INVALID_ARGUMENT with the number of the line; it holds nothing of the line.
  static absl::StatusOr<Tokens> Parse(std::string_view text);

  // Returns the roles of a token, none if it is not there. How long it takes tells nothing about the tokens that are.
  // Threads: any. It takes no memory after its first call on a thread.
  Roles Find(std::string_view token) const;

  std::size_t size() const { return entries_.size(); }
  bool operator==(const Tokens&) const = default;

 private:
  using Hash = std::array<unsigned char, 32>;
  struct Entry {
    Hash hash;
    Roles roles;
    bool operator==(const Entry&) const = default;
  };
  static Hash HashOf(std::string_view token);

  std::vector<Entry> entries_;
};

// Reads the tokens of the file at `path`.
// Errors: INVALID_ARGUMENT, with the setting, the path and what is wrong, but nothing of a token.
absl::StatusOr<Tokens> ReadTokens(const std::string& path);

}  // namespace tensorferry::security
