#include "inference/engine/aoti_writes.h"

#include <algorithm>
#include <regex>
#include <string>
#include <vector>

namespace tensorferry::inference {
namespace {

using Matches = std::regex_iterator<std::string_view::const_iterator>;

// Returns the function that runs the model.
std::string_view RunOf(std::string_view source) {
  const std::size_t begin = source.find("::run_impl(");
  if (begin == std::string_view::npos) return {};
  return source.substr(begin, source.find("// Compile cmd", begin) - begin);
}

bool IsWordCharacter(char c) {
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool HasWord(std::string_view text, std::string_view word) {
  for (std::size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || !IsWordCharacter(text[at - 1])) && (end == text.size() || !IsWordCharacter(text[end]))) return true;
  }
  return false;
}

bool HasAny(std::string_view text, const std::vector<std::string>& words) {
  return std::ranges::any_of(words, [&](const std::string& word) { return HasWord(text, word); });
}

// Returns the first argument of a call, where `arguments` begins behind the parenthesis.
std::string_view FirstArgument(std::string_view arguments) {
  int depth = 0;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const char c = arguments[i];
    if (c == '(' || c == '{' || c == '<') ++depth;
    if (depth == 0 && (c == ',' || c == ')')) return arguments.substr(0, i);
    if (c == ')' || c == '}' || c == '>') --depth;
  }
  return arguments;
}

// Returns the constants, and the names of views of them.
std::vector<std::string> ConstantsIn(std::string_view run) {
  static const std::regex constant(R"(auto& (\w+) = constants_->at\()");
  static const std::regex view(
      R"((?:auto|RAIIAtenTensorHandle) (\w+)(?: = |\()[^;]*reinterpret_tensor_wrapper\((\w+),)");
  std::vector<std::string> names;
  for (Matches found(run.begin(), run.end(), constant), end; found != end; ++found) names.push_back((*found)[1].str());
  for (Matches found(run.begin(), run.end(), view), end; found != end; ++found) {
    if (std::ranges::find(names, (*found)[2].str()) != names.end()) names.push_back((*found)[1].str());
  }
  return names;
}

// Returns whether a compiled kernel takes one of `names` by a pointer that is not to const.
bool KernelsWrite(std::string_view run, const std::vector<std::string>& names) {
  static const std::regex pointer(R"(\((const )?[\w:]+\*\)\((\w+)\.data_ptr\(\)\))");
  for (Matches found(run.begin(), run.end(), pointer), end; found != end; ++found) {
    if (!(*found)[1].matched && std::ranges::find(names, (*found)[2].str()) != names.end()) return true;
  }
  return false;
}

// Returns whether a function of torch may write to one of `names`: one that works in place or into its first argument,
// or one that is called through torch's dispatcher, whose name the source does not have.
bool FunctionsWrite(std::string_view run, const std::vector<std::string>& names) {
  static const std::regex call(R"(\b(aoti_torch_\w+)\()");
  for (Matches found(run.begin(), run.end(), call), end; found != end; ++found) {
    const std::string name = (*found)[1].str();
    const auto begin = static_cast<std::size_t>(found->position() + found->length());
    const std::string_view arguments = run.substr(begin, run.find(';', begin) - begin);
    if (name == "aoti_torch_proxy_executor_call_function" && HasAny(arguments, names)) return true;
    const bool in_place = name.ends_with('_') || name.ends_with("_out");
    if (in_place && HasAny(FirstArgument(arguments), names)) return true;
  }
  return false;
}

}  // namespace

bool WritesToConstants(std::string_view source) {
  const std::string_view run = RunOf(source);
  const std::vector<std::string> names = ConstantsIn(run);
  return !names.empty() && (KernelsWrite(run, names) || FunctionsWrite(run, names));
}

}  // namespace tensorferry::inference
