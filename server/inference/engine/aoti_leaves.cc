#include "inference/engine/aoti_leaves.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <numeric>
#include <optional>
#include <regex>
#include <set>

#include "base/status.h"

namespace tensorferry::inference {
namespace {

TensorLeaves AllLeaves(std::size_t leaves) {
  TensorLeaves all{.indices = std::vector<std::size_t>(leaves)};
  std::iota(all.indices.begin(), all.indices.end(), std::size_t{0});
  return all;
}

// Returns the part of the source that sets up a model: its inputs, weights and outputs.
std::string_view SetUpOf(std::string_view source) {
  const std::size_t begin = source.find(": AOTInductorModelBase(");
  if (begin == std::string_view::npos) return {};
  const std::size_t end = source.find("out_spec_ =", begin);
  return source.substr(begin, end == std::string_view::npos ? end : end - begin);
}

std::ptrdiff_t CountOf(std::string_view text, const std::regex& pattern) {
  return std::distance(std::cregex_iterator(text.data(), text.data() + text.size(), pattern), std::cregex_iterator());
}

// SetUp is what the source says of what a program takes.
struct SetUp {
  std::size_t inputs = 0;
  std::vector<std::size_t> numbers;  // Of each input among everything that the program takes.
  std::size_t weights = 0;           // At least as many of these come first.
};

std::optional<SetUp> ReadSetUp(std::string_view source) {
  static const std::regex count(R"(^: AOTInductorModelBase\((\d{1,9}),)");
  static const std::regex number(R"re(inputs_info_\[\d+\]\.name = "arg(\d{1,9})_1";)re");
  static const std::regex weight(R"(constants_info_\[\d+\]\.type = [^;]*ConstantType::(Parameter|Buffer)\))");
  const std::string_view text = SetUpOf(source);
  std::cmatch match;
  if (!std::regex_search(text.data(), text.data() + text.size(), match, count)) return std::nullopt;
  SetUp set_up{.inputs = std::stoul(match[1].str()), .numbers = {}};
  for (std::cregex_iterator found(text.data(), text.data() + text.size(), number), end; found != end; ++found) {
    set_up.numbers.push_back(std::stoul((*found)[1].str()));
  }
  set_up.weights = static_cast<std::size_t>(CountOf(text, weight));
  return set_up;
}

// Returns the leaves that the program takes if `weights` stand before the first leaf.
std::vector<std::size_t> LeavesBehind(std::size_t weights, const std::vector<std::size_t>& numbers) {
  std::vector<std::size_t> leaves;
  for (const std::size_t number : numbers) leaves.push_back(number - weights);
  return leaves;
}

}  // namespace

absl::StatusOr<TensorLeaves> TensorInputs(std::string_view source, std::size_t leaves,
                                          const std::vector<std::size_t>& wanted) {
  const auto set_up = ReadSetUp(source);
  if (!set_up || set_up->inputs == leaves) return AllLeaves(leaves);
  const std::vector<std::size_t>& numbers = set_up->numbers;
  if (set_up->inputs == 0) return TensorLeaves{};
  if (set_up->inputs > leaves || numbers.size() != set_up->inputs || !std::ranges::is_sorted(numbers) ||
      numbers.back() - numbers.front() >= leaves) {
    return MakeError(
        Reason::kModelNotReady,
        fmt::format("the package takes {} tensors, and its call has {} leaves: some of its example were no "
                    "tensors, and its source does not tell which",
                    set_up->inputs, leaves));
  }
  const std::size_t beyond = numbers.back() >= leaves ? numbers.back() - leaves + 1 : 0;
  const std::size_t least = std::min(std::max(beyond, set_up->weights), numbers.front());
  std::vector<std::vector<std::size_t>> answers;
  for (std::size_t weights = numbers.front() + 1; weights-- > least;) {
    answers.push_back(LeavesBehind(weights, numbers));
  }
  const auto fits = [&](const std::vector<std::size_t>& answer) { return std::ranges::includes(answer, wanted); };
  const auto fitting = std::ranges::count_if(answers, fits);
  const auto answer = std::ranges::find_if(answers, fits);
  return TensorLeaves{.indices = answer == answers.end() ? answers.front() : *answer, .certain = fitting == 1};
}

TensorLeaves TensorOutputs(std::string_view source, std::size_t leaves) {
  constexpr std::string_view kHandle = "output_handles[";  // It is never mentioned for an output that is None.
  std::set<std::size_t> given;
  for (std::size_t at = source.find(kHandle); at != std::string_view::npos; at = source.find(kHandle, at)) {
    at += kHandle.size();
    std::size_t index = 0;
    const auto [end, error] = std::from_chars(source.data() + at, source.data() + source.size(), index);
    if (error == std::errc() && index < leaves) given.insert(index);
  }
  if (given.empty()) return AllLeaves(leaves);
  return {.indices = {given.begin(), given.end()}};
}

}  // namespace tensorferry::inference
