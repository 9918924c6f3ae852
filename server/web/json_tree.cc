#include "web/json_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/status.h"

namespace tensorferry::web {
namespace {

// The parser keeps a token in two texts that grow by doubling, and words an error with several more.
constexpr std::size_t kTokenCopies = 8;
constexpr std::size_t kShortToken = std::size_t{64} << 10;  // No memory is counted for shorter ones.

absl::Status TooMuch(std::string_view what, std::size_t limit) {
  return MakeError(Reason::kBadHeader, fmt::format("the JSON beside the data has {}", what),
                   {.field = "body", .limit = fmt::format("{}", limit)});
}

bool IsOfNumber(char byte) {
  return (byte >= '0' && byte <= '9') || byte == '.' || byte == '-' || byte == '+' || byte == 'e' || byte == 'E';
}

// Returns the number of bytes from `json`'s first one, which is a quote, to the quote that ends the text.
std::size_t TextSize(std::string_view json) {
  for (std::size_t end = json.find('"', 1); end != std::string_view::npos; end = json.find('"', end + 1)) {
    const std::size_t before = json.find_last_not_of('\\', end - 1);
    if ((end - before) % 2 == 1) return end + 1;
  }
  return json.size();
}

}  // namespace

bool TreeSax::Fail(absl::Status error) {
  error_ = std::move(error);
  return false;
}

bool TreeSax::CountValue() { return ++values_ <= limits_.values || Fail(TooMuch("too many values", limits_.values)); }

bool TreeSax::CountText(const std::string& text) {
  text_bytes_ += text.size();
  return text_bytes_ <= limits_.text_bytes || Fail(TooMuch("too long texts", limits_.text_bytes));
}

// Returns null if an object has the name already: which of the two is meant would depend on the reader.
TreeSax::Json* TreeSax::Place(Json value) {
  if (open_.empty()) return &(tree_ = std::move(value));
  Json& parent = *open_.back();
  if (parent.is_array()) {
    parent.push_back(std::move(value));
    return &parent.back();
  }
  const auto [place, is_new] = parent.emplace(key_, std::move(value));
  if (is_new) return &*place;
  Fail(MakeError(Reason::kBadHeader, "an object in the request's JSON has a name twice", {.field = "body"}));
  return nullptr;
}

bool TreeSax::Value(Json value) { return CountValue() && Place(std::move(value)) != nullptr; }

bool TreeSax::Open(Json container) {
  if (open_.size() >= limits_.depth) return Fail(TooMuch("too deep lists or objects", limits_.depth));
  Json* const placed = CountValue() ? Place(std::move(container)) : nullptr;
  if (placed != nullptr) open_.push_back(placed);
  return placed != nullptr;
}

bool TreeSax::End() {
  open_.pop_back();
  return true;
}

bool TreeSax::key(string_t& value) {
  key_ = value;
  return CountText(value);
}

bool TreeSax::parse_error(std::size_t position, const std::string& /*token*/,
                          const nlohmann::detail::exception& /*error*/) {
  return Fail(MakeError(Reason::kBadHeader, fmt::format("the request's JSON cannot be read at byte {}", position),
                        {.field = "body", .expected = "a JSON object"}));
}

std::size_t LongestToken(std::string_view json) {
  std::size_t longest = 0;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < json.size();) {
    const std::string_view rest = json.substr(at);
    std::size_t nbytes = 0;
    if (rest.front() == '"') {
      nbytes = TextSize(rest);
    } else if (IsOfNumber(rest.front())) {
      nbytes = static_cast<std::size_t>(std::ranges::find_if_not(rest, IsOfNumber) - rest.begin());
    }
    if (nbytes > 0) {
      longest = std::max(longest, at - begin);
      begin = at;
    }
    at += std::max<std::size_t>(nbytes, 1);
  }
  return std::max(longest, json.size() - begin);
}

absl::StatusOr<MemoryBudget::Reservation> RoomForTokens(std::string_view json, const PoolFor& pool) {
  if (json.size() <= kShortToken) return MemoryBudget::Reservation();
  const std::size_t longest = LongestToken(json);
  if (longest <= kShortToken) return MemoryBudget::Reservation();
  return pool.Reserve(kTokenCopies * longest);
}

}  // namespace tensorferry::web
