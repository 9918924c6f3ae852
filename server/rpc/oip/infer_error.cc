#include "rpc/oip/infer_error.h"

#include <string>

#include "base/status.h"
#include "rpc/oip/datatype.h"
#include "rpc/serve/error.h"

namespace tensorferry::rpc {
namespace {

// Dtypes by the protocol's names, but where callers' own words are quoted.
std::string WithOipNames(const std::string& message) {
  std::string renamed, word;
  bool quoted = false;
  const auto end_word = [&] {
    const std::string_view name = OipNameOf(word);
    renamed += quoted || name.empty() ? word : name;
    word.clear();
  };
  for (const char c : message) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_') {
      word += c;
      continue;
    }
    end_word();
    quoted ^= c == '\'';
    renamed += c;
  }
  end_word();
  return renamed;
}

// Foreign programs look for some of Triton's words, and its arrays are inputs.
std::string InTheirWords(const absl::Status& error) {
  constexpr std::string_view kArray = "array '";
  const std::string message(error.message());
  if (DescribeError(error).reason == Reason::kModelNotFound) return "Request for unknown model: " + message;
  if (error.code() != absl::StatusCode::kInvalidArgument) return message;
  const std::string renamed = WithOipNames(message);
  return renamed.starts_with(kArray) ? "input '" + renamed.substr(kArray.size()) : renamed;
}

}  // namespace

grpc::Status InferEndOf(std::string_view method, const absl::Status& status) {
  return FinalStatus(method, status.ok() ? status : WithMessage(InTheirWords(status), status));
}

}  // namespace tensorferry::rpc
