#include "security/tokens.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cctype>
#include <new>
#include <optional>

#include "base/status.h"
#include "security/secret_file.h"

namespace tensorferry::security {
namespace {

constexpr std::string_view kBlanks = " \t\r";
constexpr std::string_view kScheme = "bearer ";

// Hasher takes SHA-256 hashes in memory of its own.
class Hasher {
 public:
  Hasher() : algorithm_(EVP_MD_fetch(nullptr, "SHA256", nullptr)), context_(EVP_MD_CTX_new()) {
    if (algorithm_ == nullptr || context_ == nullptr) throw std::bad_alloc();
  }
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  ~Hasher() {
    EVP_MD_CTX_free(context_);
    EVP_MD_free(algorithm_);
  }

  void Hash(std::string_view text, unsigned char* hash) {
    if (EVP_DigestInit_ex2(context_, algorithm_, nullptr) != 1 ||
        EVP_DigestUpdate(context_, text.data(), text.size()) != 1 || EVP_DigestFinal_ex(context_, hash, nullptr) != 1) {
      throw std::bad_alloc();  // Nothing else can be wrong.
    }
  }

 private:
  EVP_MD* const algorithm_;
  EVP_MD_CTX* const context_;
};

std::string_view Trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

// RFC 6750 says which characters the token of an `authorization` header has.
bool IsTokenCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-._~+/=").find(c) != std::string_view::npos;
}

std::optional<Role> ParseRole(std::string_view name) {
  const auto found = std::ranges::find(kRoles, name);
  return found == kRoles.end() ? std::nullopt : std::optional(static_cast<Role>(found - kRoles.begin()));
}

}  // namespace

std::string_view NamesOf(Roles roles) {
  // The position is the set's bits.
  constexpr auto kNames =
      std::to_array<std::string_view>({"none", "infer", "admin", "infer, admin", "metrics", "infer, metrics",
                                       "admin, metrics", "infer, admin, metrics"});
  static_assert(kNames.size() == std::size_t{1} << kRoles.size());
  return kNames.at(roles.bits_);
}

Tokens::Hash Tokens::HashOf(std::string_view token) {
  thread_local Hasher hasher;
  Hash hash;
  hasher.Hash(token, hash.data());
  return hash;
}

std::string_view BearerToken(std::string_view value) {
  const bool is_bearer = value.size() > kScheme.size() &&
                         std::equal(kScheme.begin(), kScheme.end(), value.begin(), [](char wanted, char c) {
                           return wanted == std::tolower(static_cast<unsigned char>(c));
                         });
  if (!is_bearer) return {};
  value.remove_prefix(kScheme.size());
  value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
  return value;
}

absl::StatusOr<Tokens> Tokens::Parse(std::string_view text) {
  Tokens tokens;
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = Trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    const std::size_t blank = std::min(line.find_first_of(kBlanks), line.size());
    const std::optional<Role> role = ParseRole(line.substr(0, blank));
    const std::string_view token = Trimmed(line.substr(blank));
    if (!role || token.empty() || !std::ranges::all_of(token, IsTokenCharacter)) {
      return absl::InvalidArgumentError(
          fmt::format("line {} is not ROLE TOKEN, with a role of infer, admin or metrics and a token of letters, "
                      "digits and -._~+/=",
                      number));
    }
    const Hash hash = HashOf(token);
    const auto known = std::ranges::find(tokens.entries_, hash, &Entry::hash);
    if (known == tokens.entries_.end()) {
      tokens.entries_.push_back({hash, *role});
    } else {
      known->roles = known->roles | *role;
    }
  }
  if (tokens.entries_.empty()) return absl::InvalidArgumentError("it has no token, so that nobody could call");
  return tokens;
}

Roles Tokens::Find(std::string_view token) const {
  const Hash hash = HashOf(token);
  Roles roles;
  for (const Entry& entry : entries_) {  // To the end, wherever it is found.
    if (CRYPTO_memcmp(hash.data(), entry.hash.data(), hash.size()) == 0) roles = entry.roles;
  }
  return roles;
}

absl::StatusOr<Tokens> ReadTokens(const std::string& path) {
  constexpr std::string_view kFlag = "auth-token-file";
  TENSORFERRY_ASSIGN_OR_RETURN(std::string text, ReadSecretFile(kFlag, path));
  absl::StatusOr<Tokens> tokens = Tokens::Parse(text);
  OPENSSL_cleanse(text.data(), text.size());
  if (!tokens.ok()) return FileError(kFlag, path, std::string(tokens.status().message()));
  return tokens;
}

}  // namespace tensorferry::security
