// Errors are absl::Status values that carry a Reason and what a caller needs to mend the request.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/reason.h"

namespace tensorferry {

// The machine-readable part of an error. A field that does not apply stays empty.
struct ErrorDetails {
  std::string field;                         // The request's field at fault: "shape".
  std::string expected;                      // What would have been right, in the field's own unit: "24".
  std::string actual;                        // What came: "23".
  std::string limit;                         // The limit that was passed, in the field's own unit.
  std::chrono::milliseconds retry_after{0};  // 0: the same request will not succeed later.
  std::string log_text;  // For our log only, never for the caller: a library's own words, which may hold paths.
};

// Marks `word` in a message as one for which a protocol may have a word of its own: the name of a dtype, "array".
// MakeError and InArray remember where it stands, and Reworded() exchanges it; in details it is a word as any other.
std::string Term(std::string_view word);

// An error with the code that belongs to `reason`. `message` is one line for people: it says what was expected and what
// came, and holds no path, address or element bytes. Text from the wire goes through Quote() first, dtypes through
// Term().
absl::Status MakeError(Reason reason, std::string_view message, const ErrorDetails& details = {});

// Says `error` of one array: the message begins with "array 'x': ", and the metadata names the array.
absl::Status InArray(std::string_view array_name, const absl::Status& error);

// Says `error` of one output: the message begins with "output 'y': ", and the metadata names it as the array.
absl::Status InOutput(std::string_view output_name, const absl::Status& error);

// Says `error` of one model: the message begins with "model 'm': ".
absl::Status InModel(std::string_view model_name, const absl::Status& error);

// `error` with another message; what is remembered of its terms is dropped.
absl::Status WithMessage(std::string_view message, const absl::Status& error);

// The message of `error`, in which `word_for` says what stands in the place of each term.
std::string Reworded(const absl::Status& error, const std::function<std::string(std::string_view)>& word_for);

// Failure is what MakeError and InArray put into a status, read back.
struct Failure {
  Reason reason = Reason::kInternal;
  std::string message;
  std::map<std::string, std::string> metadata;  // array, field, expected, actual, limit, as they apply.
  std::chrono::milliseconds retry_after{0};
  std::string log_text;
};

// Read an error back. A status that MakeError did not make is INTERNAL, and its message is not passed on.
Failure DescribeError(const absl::Status& error);

// `text` in single quotes, as one printable line of at most 80 bytes, whatever bytes it holds.
std::string Quote(std::string_view text);

// Return `expr`'s status if it is an error.
#define TENSORFERRY_RETURN_IF_ERROR(expr)                                     \
  do {                                                                        \
    if (absl::Status tensorferry_status = (expr); !tensorferry_status.ok()) { \
      return tensorferry_status;                                              \
    }                                                                         \
  } while (false)

// `lhs = expr`, or return expr's status. Several statements: never the body of an unbraced `if`.
#define TENSORFERRY_ASSIGN_OR_RETURN(lhs, expr) \
  TENSORFERRY_ASSIGN_IMPL(TENSORFERRY_CONCAT(tensorferry_result_, __LINE__), lhs, expr)
#define TENSORFERRY_ASSIGN_IMPL(result, lhs, expr)     \
  auto result = (expr);                                \
  if (!result.ok()) return std::move(result).status(); \
  lhs = *std::move(result)
#define TENSORFERRY_CONCAT(a, b) TENSORFERRY_CONCAT_IMPL(a, b)
#define TENSORFERRY_CONCAT_IMPL(a, b) a##b

}  // namespace tensorferry
